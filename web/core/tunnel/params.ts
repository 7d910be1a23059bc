/** What to connect to and what this browser can do. */
export interface ConnectParams {
  /**
   * Only for pages without the login cookie: through the WebSocket tunnel it becomes part of an
   * address, and addresses end up in logs.
   */
  token?: string;
  dataSource: string;
  /** Identifier in that data source. */
  id: string;
  type: "connection" | "group" | "active";
  /** Wanted picture size in device pixels. */
  widthPx: number;
  heightPx: number;
  /** 96 × device pixel ratio; default 96. */
  dpi?: number;
  /** Sound formats; default none. */
  audio?: readonly string[];
  video?: readonly string[];
  /** Picture formats; default: what every current browser decodes. */
  image?: readonly string[];
  /** IANA name; default: this browser's. */
  timezone?: string;
  /** Anything else, by its wire name. */
  extra?: Readonly<Record<string, string>>;
}

const TYPES = { connection: "c", group: "g", active: "a" } as const;
const DEFAULT_IMAGES = ["image/png", "image/jpeg", "image/webp"];
const DEFAULT_DPI = 96;

/** The parameters as both tunnels send them (`GUAC_DATA_SOURCE=…&GUAC_ID=…`). */
export function connectQuery(params: ConnectParams): string {
  const query = new URLSearchParams();
  if (params.token !== undefined) query.set("token", params.token);
  query.set("GUAC_DATA_SOURCE", params.dataSource);
  query.set("GUAC_ID", params.id);
  query.set("GUAC_TYPE", TYPES[params.type]);
  query.set("GUAC_WIDTH", String(Math.floor(params.widthPx)));
  query.set("GUAC_HEIGHT", String(Math.floor(params.heightPx)));
  query.set("GUAC_DPI", String(Math.floor(params.dpi ?? DEFAULT_DPI)));
  for (const type of params.audio ?? []) query.append("GUAC_AUDIO", type);
  for (const type of params.video ?? []) query.append("GUAC_VIDEO", type);
  for (const type of params.image ?? DEFAULT_IMAGES) query.append("GUAC_IMAGE", type);
  const timezone = params.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (timezone) query.set("GUAC_TIMEZONE", timezone);
  for (const [name, value] of Object.entries(params.extra ?? {})) query.set(name, value);
  return query.toString();
}
