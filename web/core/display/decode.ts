/** A picture ready to draw. Whoever draws it closes it. */
export interface DecodedImage {
  readonly source: CanvasImageSource;
  readonly widthPx: number;
  readonly heightPx: number;
  close(): void;
}

/** Decodes one image file. */
export type ImageDecode = (data: Uint8Array<ArrayBuffer>, mimetype: string) => Promise<DecodedImage>;

/**
 * Decodes off the calling thread. `ImageDecoder` is several times faster for small tiles; where it
 * is missing (pages without a secure context, some browsers) `createImageBitmap` does it.
 */
export const decodeImage: ImageDecode = async (data, mimetype) => {
  if (!mimetype.startsWith("image/")) throw new TypeError("not an image: " + mimetype);
  if (typeof ImageDecoder !== "undefined") {
    try {
      return await withImageDecoder(data, mimetype);
    } catch {
      // A format only the other decoder knows; a broken image fails there as well.
    }
  }
  // What machines send are pixels, not photographs: no colour management.
  const bitmap = await createImageBitmap(new Blob([data], { type: mimetype }), { colorSpaceConversion: "none" });
  return { source: bitmap, widthPx: bitmap.width, heightPx: bitmap.height, close: () => bitmap.close() };
};

async function withImageDecoder(data: Uint8Array<ArrayBuffer>, type: string): Promise<DecodedImage> {
  const decoder = new ImageDecoder({ data, type, colorSpaceConversion: "none" });
  try {
    const { image } = await decoder.decode();
    return {
      source: image,
      widthPx: image.displayWidth,
      heightPx: image.displayHeight,
      close: () => image.close(),
    };
  } finally {
    decoder.close();
  }
}
