/**
 * Guacamole client library: everything a page needs to show a remote machine in a browser.
 *
 * This file is the whole public surface. Nothing in it depends on a framework or a package.
 * The declarations come first so that pages can be written against them.
 */

// ------------------------------------------------------------------ protocol

/** The 21 status codes of the protocol, by name. */
export declare const Status: {
  readonly SUCCESS: 0x0000;
  readonly UNSUPPORTED: 0x0100;
  readonly SERVER_ERROR: 0x0200;
  readonly SERVER_BUSY: 0x0201;
  readonly UPSTREAM_TIMEOUT: 0x0202;
  readonly UPSTREAM_ERROR: 0x0203;
  readonly RESOURCE_NOT_FOUND: 0x0204;
  readonly RESOURCE_CONFLICT: 0x0205;
  readonly RESOURCE_CLOSED: 0x0206;
  readonly UPSTREAM_NOT_FOUND: 0x0207;
  readonly UPSTREAM_UNAVAILABLE: 0x0208;
  readonly SESSION_CONFLICT: 0x0209;
  readonly SESSION_TIMEOUT: 0x020a;
  readonly SESSION_CLOSED: 0x020b;
  readonly CLIENT_BAD_REQUEST: 0x0300;
  readonly CLIENT_UNAUTHORIZED: 0x0301;
  readonly CLIENT_FORBIDDEN: 0x0303;
  readonly CLIENT_TIMEOUT: 0x0308;
  readonly CLIENT_OVERRUN: 0x030d;
  readonly CLIENT_BAD_TYPE: 0x030f;
  readonly CLIENT_TOO_MANY: 0x031d;
};
/** Name of a status code, e.g. `"UPSTREAM_TIMEOUT"`. */
export type StatusName = keyof typeof Status;
/** Name of `code`, or `undefined` for a number the protocol does not define. */
export declare function statusName(code: number): StatusName | undefined;
/** Who said so: the way to the gateway, the gateway about the machine, or one stream. */
export type ErrorOrigin = 'tunnel' | 'server' | 'stream';
/** Everything that goes wrong in this library is one of these. */
export declare class GuacamoleError extends Error {
  constructor(code: number, message: string, origin: ErrorOrigin);
  /** Status code, normally one of {@link Status}. */
  readonly code: number;
  readonly origin: ErrorOrigin;
}
/** True where trying again by itself is useful and harmless (design table: never after a refusal). */
export declare function isRetryable(error: GuacamoleError): boolean;
/** Milliseconds to wait before try number `attempt` (0, 1, …): 1, 2, 4, 8, 15, 15 … s, ± 20 %. */
export declare function retryDelayMs(attempt: number, code?: number, random?: () => number): number;

export type InstructionHandler = (opcode: string, args: string[]) => void;
/** Streaming parser: feed text split anywhere, get whole instructions. */
export declare class Parser {
  constructor(handler: InstructionHandler);
  receive(text: string): void;
}
/** One instruction as text. Lengths are code points. */
export declare function encode(opcode: string, ...args: readonly (string | number | boolean)[]): string;

// ------------------------------------------------------------------ events

/** Removes the listener it was returned for. */
export type Unsubscribe = () => void;
export declare class Emitter<Events extends object> {
  on<K extends keyof Events>(type: K, listener: (event: Events[K]) => void, options?: { signal?: AbortSignal }): Unsubscribe;
  once<K extends keyof Events>(type: K, listener: (event: Events[K]) => void): Unsubscribe;
}

// ------------------------------------------------------------------ tunnels

/** `connecting` → `open` ⇄ `unstable` (1.5 s of silence) → `closed`. */
export type TunnelState = 'idle' | 'connecting' | 'open' | 'unstable' | 'closed';
export interface TunnelHandler {
  instruction(opcode: string, args: string[]): void;
  state(state: TunnelState): void;
  /** At most once, just before the state becomes `closed`. */
  error(error: GuacamoleError): void;
  uuid(uuid: string): void;
}
export interface Tunnel {
  readonly state: TunnelState;
  readonly uuid: string | null;
  /** Median round trip of the last ten pings in ms, or `null` before the first. */
  readonly pingMs: number | null;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  handler: TunnelHandler | null;
  connect(query: string): void;
  send(opcode: string, ...args: readonly (string | number | boolean)[]): void;
  disconnect(): void;
}
export interface TunnelOptions {
  /** Silence until `unstable`; default 1500. */
  unstableAfterMs?: number;
  /** Silence until closed with UPSTREAM_TIMEOUT; default 15000. */
  timeoutMs?: number;
}
/** `url` relative to the page, normally `"websocket-tunnel"`. */
export declare class WebSocketTunnel implements Tunnel {
  constructor(url: string | URL, options?: TunnelOptions);
  readonly state: TunnelState; readonly uuid: string | null; readonly pingMs: number | null;
  readonly bytesReceived: number; readonly bytesSent: number; handler: TunnelHandler | null;
  connect(query: string): void;
  send(opcode: string, ...args: readonly (string | number | boolean)[]): void;
  disconnect(): void;
}
/** `url` relative to the page, normally `"tunnel"`. */
export declare class HttpTunnel implements Tunnel {
  constructor(url: string | URL, options?: TunnelOptions & { headers?: Record<string, string> });
  readonly state: TunnelState; readonly uuid: string | null; readonly pingMs: number | null;
  readonly bytesReceived: number; readonly bytesSent: number; handler: TunnelHandler | null;
  connect(query: string): void;
  send(opcode: string, ...args: readonly (string | number | boolean)[]): void;
  disconnect(): void;
}
/** Tries each tunnel in turn until one opens. */
export declare class ChainedTunnel implements Tunnel {
  constructor(...tunnels: Tunnel[]);
  readonly state: TunnelState; readonly uuid: string | null; readonly pingMs: number | null;
  readonly bytesReceived: number; readonly bytesSent: number; handler: TunnelHandler | null;
  connect(query: string): void;
  send(opcode: string, ...args: readonly (string | number | boolean)[]): void;
  disconnect(): void;
}
export interface ConnectParams {
  /** Only for pages without the login cookie: it ends up in the WebSocket's URL. */
  token?: string;
  dataSource: string;
  /** Identifier in that data source. */
  id: string;
  type: 'connection' | 'group' | 'active';
  /** Device pixels. */
  widthPx: number;
  heightPx: number;
  /** 96 × device pixel ratio; default 96. */
  dpi?: number;
  audio?: readonly string[];
  video?: readonly string[];
  /** Default: what this browser decodes. */
  image?: readonly string[];
  /** IANA name; default: this browser's. */
  timezone?: string;
  /** Anything else, by its wire name. */
  extra?: Readonly<Record<string, string>>;
}
/** The parameters as the tunnels expect them (`GUAC_DATA_SOURCE=…&GUAC_ID=…`). */
export declare function connectQuery(params: ConnectParams): string;

// ------------------------------------------------------------------ session

export type SessionState = 'idle' | 'connecting' | 'waiting' | 'connected' | 'disconnecting' | 'disconnected';
export interface SessionEvents {
  state: { state: SessionState; previous: SessionState };
  /** Fatal; the session disconnects right after. */
  error: GuacamoleError;
  /** Silence began (`true`) or ended (`false`); also see `Session.silentMs`. */
  unstable: boolean;
  /** Tunnel UUID: names the running session in the REST API. */
  uuid: string;
  /** The machine gave the session a title. */
  name: string;
  /** Another person joined or left. */
  joined: { userId: string; userName: string };
  left: { userId: string; userName: string };
  /** The machine needs these parameters: answer each with `Session.sendArgv`. */
  required: { names: string[] };
  /** Current value of a parameter that can be changed live. */
  argv: { name: string; mimetype: string; value: string };
  clipboard: { mimetype: string; stream: ReadStream };
  file: { mimetype: string; filename: string; stream: ReadStream };
  pipe: { mimetype: string; name: string; stream: ReadStream };
  /** The machine understands touch: at most this many fingers (0 = no). */
  multitouch: number;
  /** Another person moved the pointer to here (picture pixels). */
  pointer: { x: number; y: number };
  /** A frame was painted. */
  sync: { timestamp: number; frames: number };
  /** Debug text. */
  log: string;
}
export interface SessionStats {
  pingMs: number | null;
  /** How far the newest painted frame is behind the newest received one. */
  pictureLagMs: number;
  framesPainted: number;
  bytesReceived: number;
  bytesSent: number;
}
export interface MouseState {
  /** Picture pixels. */
  x: number;
  y: number;
  /** 1 left, 2 middle, 4 right, 8 scroll up, 16 scroll down. */
  buttons: number;
}
export interface TouchState {
  id: number; x: number; y: number; radiusX: number; radiusY: number;
  /** Degrees. */
  angle: number;
  /** 0 … 1; 0 = lifted. */
  force: number;
}
export interface SessionOptions {
  display?: Display;
  /** Bytes of clipboard taken from the machine before the stream is refused; default 16 MiB. */
  clipboardLimit?: number;
}
/** One live connection seen from the browser. */
export declare class Session extends Emitter<SessionEvents> {
  constructor(tunnel: Tunnel, options?: SessionOptions);
  readonly tunnel: Tunnel;
  readonly display: Display;
  readonly state: SessionState;
  readonly uuid: string | null;
  /** Milliseconds since the last byte arrived. */
  readonly silentMs: number;
  connect(params: ConnectParams | string): void;
  disconnect(): void;
  stats(): SessionStats;
  sendKey(keysym: number, pressed: boolean): void;
  /** Sends presses and releases for each code point (newline = Return). */
  typeText(text: string): void;
  sendMouse(state: MouseState): void;
  sendTouch(state: TouchState): void;
  /** Wanted size in device pixels. */
  sendSize(widthPx: number, heightPx: number): void;
  /** Resolves when the text is on its way (all blobs handed over). */
  sendClipboard(data: string | Blob, mimetype?: string): Promise<void>;
  /** Answers a `required` prompt or changes a parameter live. Rejects when refused. */
  sendArgv(name: string, value: string, mimetype?: string): Promise<void>;
  /** Pushes a file to the machine; rejects with a {@link GuacamoleError} of origin `stream`. */
  sendFile(file: Blob & { name?: string }, options?: SendFileOptions): Promise<void>;
  openClipboard(mimetype: string): WriteStream;
  openFile(mimetype: string, filename: string): WriteStream;
  openPipe(mimetype: string, name: string): WriteStream;
  openArgv(mimetype: string, name: string): WriteStream;
}
export interface SendFileOptions {
  filename?: string;
  signal?: AbortSignal;
  onProgress?: (sentBytes: number, totalBytes: number) => void;
}

// ------------------------------------------------------------------ streams

/** Data the machine sends. Nothing flows before one of the readers is called. */
export declare class ReadStream {
  readonly index: number;
  readonly mimetype: string;
  readonly closed: boolean;
  /** Whole content; rejects when more than `limit` bytes come (default 16 MiB). */
  bytes(limit?: number): Promise<Uint8Array<ArrayBuffer>>;
  text(limit?: number): Promise<string>;
  blob(onProgress?: (bytes: number) => void): Promise<Blob>;
  /** Chunk by chunk; the machine waits for `onChunk` to resolve. */
  pipe(onChunk: (chunk: Uint8Array<ArrayBuffer>) => void | Promise<void>): Promise<void>;
  /** Refuses the stream. */
  cancel(code?: number, message?: string): void;
}
/** Data for the machine. */
export declare class WriteStream {
  readonly index: number;
  readonly closed: boolean;
  /** Resolves when the machine acknowledged the opening. */
  readonly opened: Promise<void>;
  /** Splits into blobs; resolves when the last one is acknowledged. */
  write(data: Uint8Array | string): Promise<void>;
  end(): void;
}

// ------------------------------------------------------------------ display

export interface DisplayEvents {
  /** Picture pixels. */
  resize: { widthPx: number; heightPx: number };
  /** A frame is on the screen. */
  paint: { timestamp: number };
  /** Pointer image changed; `null` = the machine hides it. */
  cursor: { url: string; hotX: number; hotY: number } | null;
}
export interface DisplayOptions {
  /** Makes the worker that paints (see README); without it the main thread paints. */
  worker?: () => Worker;
}
/** The picture. Put `element` in the page; its size is picture size × `scale`. */
export declare class Display extends Emitter<DisplayEvents> {
  constructor(options?: DisplayOptions);
  readonly element: HTMLElement;
  readonly widthPx: number;
  readonly heightPx: number;
  /** CSS pixels per picture pixel. 1 / devicePixelRatio is sharp. */
  scale: number;
  /** False stops putting frames on the screen (hidden tab), not the connection. */
  visible: boolean;
  /** Show the machine's pointer as CSS cursor on `element`; default true. */
  showCursor: boolean;
  /** Page coordinates (`clientX`, `clientY`) to picture pixels, clamped to the picture. */
  toPicture(clientX: number, clientY: number): { x: number; y: number };
  /** The picture as it is now, at most `maxWidthPx` × `maxHeightPx`. */
  screenshot(options?: { maxWidthPx?: number; maxHeightPx?: number; type?: string }): Promise<Blob>;
  /** Resolves when everything received so far is painted. */
  flush(): Promise<void>;
  dispose(): void;
}

// ------------------------------------------------------------------ input

export type Platform = 'windows' | 'mac' | 'linux' | 'ios' | 'android';
export declare function detectPlatform(): Platform;
/** Named keysyms, e.g. `Keysym.Return`, `Keysym.Control_L`, `Keysym.F1`. */
export declare const Keysym: Readonly<Record<KeysymName, number>>;
export type KeysymName =
  | 'BackSpace' | 'Tab' | 'Return' | 'Escape' | 'Insert' | 'Delete' | 'Home' | 'End' | 'Page_Up' | 'Page_Down'
  | 'Left' | 'Up' | 'Right' | 'Down' | 'Print' | 'Pause' | 'Scroll_Lock' | 'Num_Lock' | 'Caps_Lock' | 'Menu'
  | 'Shift_L' | 'Shift_R' | 'Control_L' | 'Control_R' | 'Alt_L' | 'Alt_R' | 'Super_L' | 'Super_R' | 'ISO_Level3_Shift'
  | 'F1' | 'F2' | 'F3' | 'F4' | 'F5' | 'F6' | 'F7' | 'F8' | 'F9' | 'F10' | 'F11' | 'F12';
/** Keysym of the character (Latin-1 as is, others 0x01000000 + code point). */
export declare function keysymOf(character: string): number;

export interface KeyboardEvents {
  key: { keysym: number; pressed: boolean };
  /** Ctrl+Alt+Shift alone was pressed and released. */
  chord: Record<never, never>;
  /**
   * The user pasted. Send the clipboard, then call `resume()`, which sends the held back combination.
   * With no listener the combination goes out at once.
   */
  paste: { data: DataTransfer | null; resume: () => void };
}
export interface KeyboardOptions {
  platform?: Platform;
  /** What Command does on a Mac; default `ctrl`. */
  command?: 'ctrl' | 'super' | 'local';
  /** Terminal: Cmd+C/V become Ctrl+Shift+C/V; default false. */
  terminal?: boolean;
  /** Recognise the chord; default true. */
  chord?: boolean;
  /** True keeps the event in the page: neither sent nor prevented. */
  keepLocal?: (event: KeyboardEvent) => boolean;
}
/** Browser key events in, keysyms out. `sink` is the focused (transparent) text area over the picture. */
export declare class Keyboard extends Emitter<KeyboardEvents> {
  constructor(sink: HTMLElement, options?: KeyboardOptions);
  /** Keys held down at the machine now. */
  readonly pressed: readonly number[];
  /** Change later: command, terminal, chord, keepLocal. */
  readonly options: KeyboardOptions;
  /** Releases everything, newest first. */
  releaseAll(): void;
  /** Press and release in this order, release in reverse: `combo(Control_L, Alt_L, Delete)`. */
  combo(...keysyms: number[]): void;
  dispose(): void;
}

export interface PointerEvents {
  mouse: MouseState;
}
/** Mouse, pen and wheel over the picture. */
export declare class Pointer extends Emitter<PointerEvents> {
  constructor(element: HTMLElement, display: Display);
  releaseAll(): void;
  dispose(): void;
}

export type TouchMode = 'direct' | 'touchpad' | 'native';
export interface TouchEvents {
  mouse: MouseState;
  touch: TouchState;
  /** Pan the zoomed picture by CSS pixels. */
  pan: { dx: number; dy: number };
  /** Pinch: multiply the zoom, keep this page point in place. */
  zoom: { factor: number; clientX: number; clientY: number };
  /** Three fingers up: the on-screen keyboard. */
  keyboard: Record<never, never>;
  /** Swipe from the left edge: the panel. */
  panel: Record<never, never>;
  /** Long press took effect. */
  buzz: Record<never, never>;
}
export declare class Touch extends Emitter<TouchEvents> {
  constructor(element: HTMLElement, display: Display, options?: { mode?: TouchMode; zoomed?: () => boolean });
  mode: TouchMode;
  releaseAll(): void;
  dispose(): void;
}

/** Connects keyboard, pointer and touch of one sink to a session. */
export declare function attachInput(
  session: Session,
  sink: HTMLElement,
  options?: KeyboardOptions & { touchMode?: TouchMode },
): { keyboard: Keyboard; pointer: Pointer; touch: Touch; detach(): void };
