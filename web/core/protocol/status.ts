/**
 * Status codes of the protocol: the same numbers travel in `error`, in `ack`, in the tunnels'
 * close reasons and in HTTP headers.
 */

/** The 21 status codes by name. */
export const Status = {
  SUCCESS: 0x0000,
  UNSUPPORTED: 0x0100,
  SERVER_ERROR: 0x0200,
  SERVER_BUSY: 0x0201,
  UPSTREAM_TIMEOUT: 0x0202,
  UPSTREAM_ERROR: 0x0203,
  RESOURCE_NOT_FOUND: 0x0204,
  RESOURCE_CONFLICT: 0x0205,
  RESOURCE_CLOSED: 0x0206,
  UPSTREAM_NOT_FOUND: 0x0207,
  UPSTREAM_UNAVAILABLE: 0x0208,
  SESSION_CONFLICT: 0x0209,
  SESSION_TIMEOUT: 0x020a,
  SESSION_CLOSED: 0x020b,
  CLIENT_BAD_REQUEST: 0x0300,
  CLIENT_UNAUTHORIZED: 0x0301,
  CLIENT_FORBIDDEN: 0x0303,
  CLIENT_TIMEOUT: 0x0308,
  CLIENT_OVERRUN: 0x030d,
  CLIENT_BAD_TYPE: 0x030f,
  CLIENT_TOO_MANY: 0x031d,
} as const;

/** Name of a status code, e.g. `"UPSTREAM_TIMEOUT"`. */
export type StatusName = keyof typeof Status;

const NAMES: ReadonlyMap<number, StatusName> = new Map(
  (Object.keys(Status) as StatusName[]).map((name) => [Status[name], name]),
);

/** Name of `code`, or `undefined` for a number the protocol does not define. */
export function statusName(code: number): StatusName | undefined {
  return NAMES.get(code);
}

/** Status for an HTTP answer that carries none of its own; 0 means that no answer came at all. */
export function statusFromHttp(httpStatus: number): number {
  switch (httpStatus) {
    case 0:
      return Status.UPSTREAM_NOT_FOUND;
    case 400:
      return Status.CLIENT_BAD_REQUEST;
    case 401:
      return Status.CLIENT_UNAUTHORIZED;
    case 403:
      return Status.CLIENT_FORBIDDEN;
    case 404:
      return Status.RESOURCE_NOT_FOUND;
    case 429:
      return Status.CLIENT_TOO_MANY;
    case 503:
      return Status.SERVER_BUSY;
    default:
      return Status.SERVER_ERROR;
  }
}

/** Status for a WebSocket close code whose reason text holds no status. */
export function statusFromWebSocket(closeCode: number): number {
  switch (closeCode) {
    case 1000:
      return Status.SUCCESS;
    case 1006:
    case 1015:
      return Status.UPSTREAM_NOT_FOUND;
    case 1001:
    case 1012:
    case 1013:
    case 1014:
      return Status.UPSTREAM_UNAVAILABLE;
    default:
      return Status.SERVER_ERROR;
  }
}

/** A status written as decimal text, or `undefined` when the text is anything else. */
export function parseStatus(text: string | null | undefined): number | undefined {
  return text != null && /^\d{1,5}$/.test(text) ? Number(text) : undefined;
}

/**
 * Who speaks in an error: the way to the gateway (`tunnel`), the gateway about the machine
 * (`server`), or one stream (`stream`).
 */
export type ErrorOrigin = "tunnel" | "server" | "stream";

/** Everything that goes wrong in this library is one of these. */
export class GuacamoleError extends Error {
  /** Status code, normally one of {@link Status}. */
  readonly code: number;
  readonly origin: ErrorOrigin;
  /** True when the other side named the code, false when it is our reading of a broken line. */
  readonly stated: boolean;

  constructor(code: number, message: string, origin: ErrorOrigin, stated = false) {
    super(message);
    this.name = "GuacamoleError";
    this.code = code;
    this.origin = origin;
    this.stated = stated;
  }
}
