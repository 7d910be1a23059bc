/** What a session can be opened from: a connection, a group (pool) or a live session. */
export type TargetType = "c" | "g" | "a";

/** One thing to open, as the address bar names it. */
export interface Target {
  type: TargetType;
  id: string;
  dataSource: string;
}

/** Every page of the app. Login is a layer over these, never a page. */
export type Route =
  | { page: "home" }
  | { page: "client"; targets: Target[] }
  | { page: "preferences" }
  | { page: "unknown"; path: string };

const SEPARATOR = "\0";

function isTargetType(text: string | undefined): text is TargetType {
  return text === "c" || text === "g" || text === "a";
}

/** Base64url without padding of `id NUL type NUL dataSource`: the encoding of stock bookmarks. */
export function encodeTarget(target: Target): string {
  const utf8 = new TextEncoder().encode([target.id, target.type, target.dataSource].join(SEPARATOR));
  const binary = Array.from(utf8, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Reads one identifier of an address. What cannot be decoded is taken as the bare identifier of
 * a connection in `defaultDataSource`, as stock does.
 */
export function decodeTarget(text: string, defaultDataSource: string): Target {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const utf8 = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    const parts = new TextDecoder("utf-8", { fatal: true }).decode(utf8).split(SEPARATOR);
    const [id, type, dataSource] = parts;
    if (parts.length === 3 && id && dataSource && isTargetType(type)) return { type, id, dataSource };
  } catch {
    // Not of our making: read it as a plain identifier below.
  }
  return { type: "c", id: text, dataSource: defaultDataSource };
}

/** True for two names of the same thing. */
export function sameTarget(a: Target, b: Target): boolean {
  return a.type === b.type && a.id === b.id && a.dataSource === b.dataSource;
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The page a location hash means. */
export function parseRoute(hash: string, defaultDataSource = ""): Route {
  const path = hash.replace(/^#/, "").replace(/\?.*$/, "");
  const parts = path.split("/").filter((part) => part !== "").map(decodePart);
  const [first, second] = parts;
  if (first === undefined) return { page: "home" };
  if (first === "client" && second !== undefined && parts.length === 2) {
    const ids = second.split(".").filter((id) => id !== "");
    if (ids.length > 0) {
      return { page: "client", targets: ids.map((id) => decodeTarget(id, defaultDataSource)) };
    }
  }
  if (first === "settings" && second === "preferences" && parts.length === 2) return { page: "preferences" };
  return { page: "unknown", path };
}

/** The location hash of a page. */
export function formatRoute(route: Route): string {
  switch (route.page) {
    case "home":
      return "#/";
    case "client":
      return `#/client/${route.targets.map(encodeTarget).join(".")}`;
    case "preferences":
      return "#/settings/preferences";
    case "unknown":
      return `#${route.path}`;
  }
}

/** The address that opens one connection. */
export function clientHref(target: Target): string {
  return formatRoute({ page: "client", targets: [target] });
}
