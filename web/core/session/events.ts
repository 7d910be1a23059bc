import type { GuacamoleError } from "../protocol/status.ts";
import type { ReadStream } from "../streams/reader.ts";

/**
 * `idle` → `connecting` (tunnel) → `waiting` (machine) → `connected` (first frame) →
 * `disconnecting` → `disconnected`.
 */
export type SessionState =
  | "idle"
  | "connecting"
  | "waiting"
  | "connected"
  | "disconnecting"
  | "disconnected";

/** Events of a `Session`. Streams nobody listens for are refused. */
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
  /** Another person joined. `userName` is empty for an anonymous one. */
  joined: { userId: string; userName: string };
  left: { userId: string; userName: string };
  /** The machine needs these parameters: answer each with `Session.sendArgv`. */
  required: { names: string[] };
  /** Current value of a parameter that can be changed live. */
  argv: { name: string; mimetype: string; value: string };
  /** The machine plays sound: `PcmPlayer` of `core/audio/player` plays it. */
  audio: { mimetype: string; stream: ReadStream };
  clipboard: { mimetype: string; stream: ReadStream };
  file: { mimetype: string; filename: string; stream: ReadStream };
  pipe: { mimetype: string; name: string; stream: ReadStream };
  /** The machine offers files: ask for them with `Session.requestFrom`, give it some with `Session.openObject`. */
  filesystem: { object: number; name: string };
  /** It offers them no more. */
  undefine: { object: number };
  /** What `Session.requestFrom` asked for. */
  body: { object: number; mimetype: string; name: string; stream: ReadStream };
  /** The machine understands touch: at most this many fingers (0 = no). */
  multitouch: number;
  /** Another person moved the pointer to here (picture pixels). */
  pointer: { x: number; y: number };
  /** A frame was painted. */
  sync: { timestamp: number; frames: number };
  /** Debug text. */
  log: string;
}

/** Figures for "is it slow?". */
export interface SessionStats {
  pingMs: number | null;
  /** How far the newest painted frame is behind the newest received one. */
  pictureLagMs: number;
  framesPainted: number;
  bytesReceived: number;
  bytesSent: number;
}

/** Where the pointer is and what is pressed. */
export interface MouseState {
  /** Picture pixels. */
  x: number;
  y: number;
  /** Sum of {@link MouseButton}s. */
  buttons: number;
}

/** Bits of {@link MouseState.buttons}. The wheel is a press and a release of a button. */
export const MouseButton = { LEFT: 1, MIDDLE: 2, RIGHT: 4, SCROLL_UP: 8, SCROLL_DOWN: 16 } as const;

/** One finger. */
export interface TouchState {
  id: number;
  /** Picture pixels, as the radii. */
  x: number;
  y: number;
  radiusX: number;
  radiusY: number;
  /** Degrees. */
  angle: number;
  /** 0 … 1; 0 = lifted. */
  force: number;
}
