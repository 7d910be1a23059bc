/**
 * Guacamole client library: everything a page needs to show a remote machine in a browser.
 *
 * This file is the whole public surface. Nothing behind it depends on a framework or a package.
 */

export { Status, statusName, statusFromHttp, statusFromWebSocket, GuacamoleError } from "./protocol/status.ts";
export type { ErrorOrigin, StatusName } from "./protocol/status.ts";
export { Parser, type InstructionHandler } from "./protocol/parser.ts";
export { encode, codePointLength, type Element as InstructionElement } from "./protocol/encoder.ts";
export { BLOB_BYTES, MAX_SIDE_PX } from "./protocol/limits.ts";

export { Emitter, type Unsubscribe } from "./emitter.ts";

export type { Tunnel, TunnelHandler, TunnelOptions, TunnelState } from "./tunnel/tunnel.ts";
export { WebSocketTunnel } from "./tunnel/websocket.ts";
export { HttpTunnel, type HttpTunnelOptions } from "./tunnel/http.ts";
export { ChainedTunnel, type TunnelSource } from "./tunnel/chain.ts";
export { connectQuery, type ConnectParams } from "./tunnel/params.ts";

export { Session, type SessionOptions } from "./session/session.ts";
export { MouseButton } from "./session/events.ts";
export type {
  MouseState,
  SessionEvents,
  SessionState,
  SessionStats,
  TouchState,
} from "./session/events.ts";
export { isRetryable, retryDelayMs } from "./session/retry.ts";

export { ReadStream } from "./streams/reader.ts";
export { WriteStream } from "./streams/writer.ts";
export { Files, sendFile, type FileEntry, type SendFileOptions } from "./streams/files.ts";
export { isText, readClipboard, type ClipboardContent } from "./streams/clipboard.ts";

export { Display } from "./display/display.ts";
export type { DisplayEvents, DisplayOptions, ScreenshotOptions } from "./display/display.ts";

export { Keysym, keysymOf, type KeysymName } from "./input/keysyms.ts";
export { detectPlatform, type Platform } from "./input/platform/detect.ts";
export { Keyboard, type KeyboardEvents, type KeyboardOptions } from "./input/keyboard.ts";
export { Pointer, type PointerEvents } from "./input/pointer.ts";
export { Touch, type TouchEvents, type TouchMode, type TouchOptions } from "./input/touch.ts";
export { attachInput, type AttachOptions, type AttachedInput } from "./input/attach.ts";
