import type { ErrorBody, Field } from "./types";

/** Kinds of error the API tells apart; the app decides by these, not by HTTP status. */
export type ApiErrorType =
  | "BAD_REQUEST"
  | "INVALID_CREDENTIALS"
  | "INSUFFICIENT_CREDENTIALS"
  | "INTERNAL_ERROR"
  | "NOT_FOUND"
  | "PERMISSION_DENIED"
  | "STREAM_ERROR";

const TYPES: ReadonlySet<string> = new Set<ApiErrorType>([
  "BAD_REQUEST",
  "INVALID_CREDENTIALS",
  "INSUFFICIENT_CREDENTIALS",
  "INTERNAL_ERROR",
  "NOT_FOUND",
  "PERMISSION_DENIED",
  "STREAM_ERROR",
]);

/** What a status means where a proxy answered instead of the API. */
function typeOfStatus(httpStatus: number): ApiErrorType {
  if (httpStatus === 401 || httpStatus === 403) return "PERMISSION_DENIED";
  if (httpStatus === 404) return "NOT_FOUND";
  if (httpStatus >= 400 && httpStatus < 500) return "BAD_REQUEST";
  return "INTERNAL_ERROR";
}

/** The gateway answered, and the answer is an error. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly httpStatus: number,
    readonly type: ApiErrorType,
    message: string,
    /** Fields the server wants, for the two credential errors. */
    readonly expected: readonly Field[] = [],
    /** Guacamole status code, where the server named one. */
    readonly statusCode: number | null = null,
    /** Key of a message the server would like translated. */
    readonly key: string | null = null,
  ) {
    super(message);
  }

  /** Reads an error out of a response body; anything unreadable becomes the status' own meaning. */
  static from(httpStatus: number, body: unknown): ApiError {
    const fallback = typeOfStatus(httpStatus);
    if (typeof body !== "object" || body === null) {
      return new ApiError(httpStatus, fallback, `HTTP ${httpStatus}`);
    }
    const { message, type, expected, statusCode, translatableMessage } = body as ErrorBody;
    return new ApiError(
      httpStatus,
      typeof type === "string" && TYPES.has(type) ? (type as ApiErrorType) : fallback,
      typeof message === "string" && message !== "" ? message : `HTTP ${httpStatus}`,
      Array.isArray(expected) ? expected.filter(isField) : [],
      typeof statusCode === "number" ? statusCode : null,
      typeof translatableMessage?.key === "string" ? translatableMessage.key : null,
    );
  }
}

/** No answer at all: offline, gateway down, or the request was cut. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
}

function isField(value: unknown): value is Field {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as Field).name === "string" &&
    typeof (value as Field).type === "string"
  );
}
