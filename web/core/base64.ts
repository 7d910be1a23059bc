/** Base64 as the protocol carries it: standard alphabet, padded. */

interface NativeBase64 {
  fromBase64?: (text: string) => Uint8Array<ArrayBuffer>;
}
interface NativeBytes {
  toBase64?: () => string;
}

const native = Uint8Array as unknown as NativeBase64;

/**
 * Bytes of `text`. The built-in decoder is some hundred times faster than `atob` and a copy.
 *
 * @throws SyntaxError or DOMException when the text is not base64.
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  if (native.fromBase64 !== undefined) return native.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** `bytes` as base64 text. */
export function encodeBase64(bytes: Uint8Array): string {
  const own = (bytes as NativeBytes).toBase64;
  if (own !== undefined) return own.call(bytes);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
