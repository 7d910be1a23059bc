import { ApiError, NetworkError } from "./errors";
import type {
  ActiveConnection,
  Connection,
  ConnectionGroup,
  HistoryRecord,
  LoginResult,
  PermissionSet,
  Protocol,
} from "./types";

/**
 * Sent with every request: asks for the HttpOnly cookie at login, and afterwards proves that the
 * request comes from our own page, since no other origin may set it.
 */
export const OWN_PAGE = { "Guacamole-Cookie": "1" } as const;

interface RequestOptions {
  query?: Record<string, string>;
  form?: Record<string, string>;
  json?: unknown;
  signal?: AbortSignal;
}

async function bodyOf(response: Response): Promise<unknown> {
  if (response.status === 204) return null;
  const text = await response.text();
  if (text === "") return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** The REST interface of the gateway, by the calls the app makes. */
export class ApiClient {
  /** Called when the server no longer knows our login. */
  onLoginLost: () => void = () => {};

  constructor(private readonly base = "api/") {}

  /** Signs in; without fields it asks whether the cookie of an earlier login still counts. */
  login(fields: Record<string, string> = {}, signal?: AbortSignal): Promise<LoginResult> {
    return this.request("POST", "tokens", { form: fields, ...(signal && { signal }) });
  }

  /** Ends the login and every tunnel under it. */
  logout(): Promise<void> {
    return this.request("DELETE", "session");
  }

  /** Everything the user may see of one data source. */
  tree(dataSource: string, signal?: AbortSignal): Promise<ConnectionGroup> {
    return this.data(dataSource, "connectionGroups/ROOT/tree", signal ? { signal } : {});
  }

  /** Live connections the user may know of, by identifier. */
  activeConnections(dataSource: string): Promise<Record<string, ActiveConnection>> {
    return this.data(dataSource, "activeConnections");
  }

  /** Uses of connections, newest first. */
  history(dataSource: string): Promise<HistoryRecord[]> {
    return this.data(dataSource, "history/connections", { query: { order: "-startDate" } });
  }

  /** What the user may do, groups included. */
  permissions(dataSource: string): Promise<PermissionSet> {
    return this.data(dataSource, "self/effectivePermissions");
  }

  /** One connection, for its name and protocol. */
  connection(dataSource: string, id: string): Promise<Connection> {
    return this.data(dataSource, `connections/${encodeURIComponent(id)}`);
  }

  /** One group, for its name. */
  connectionGroup(dataSource: string, id: string): Promise<ConnectionGroup> {
    return this.data(dataSource, `connectionGroups/${encodeURIComponent(id)}`);
  }

  /** One live connection. */
  activeConnection(dataSource: string, id: string): Promise<ActiveConnection> {
    return this.data(dataSource, `activeConnections/${encodeURIComponent(id)}`);
  }

  /** Ends live connections. */
  endActiveConnections(dataSource: string, ids: readonly string[]): Promise<void> {
    return this.data(
      dataSource,
      "activeConnections",
      { json: ids.map((id) => ({ op: "remove", path: `/${id}` })) },
      "PATCH",
    );
  }

  /** The protocol spoken by an open tunnel, with the forms of its parameters. */
  tunnelProtocol(tunnelId: string): Promise<Protocol> {
    return this.tunnel(tunnelId, "protocol");
  }

  /** Something about an open tunnel of ours. */
  tunnel<T>(tunnelId: string, path: string): Promise<T> {
    return this.request("GET", `session/tunnels/${encodeURIComponent(tunnelId)}/${path}`);
  }

  private data<T>(dataSource: string, path: string, options: RequestOptions = {}, method = "GET"): Promise<T> {
    return this.request(method, `session/data/${encodeURIComponent(dataSource)}/${path}`, options);
  }

  private async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const query = options.query ? `?${new URLSearchParams(options.query)}` : "";
    const headers: Record<string, string> = { ...OWN_PAGE, Accept: "application/json" };
    let body: string | URLSearchParams | null = null;
    if (options.form) body = new URLSearchParams(options.form);
    if (options.json !== undefined) {
      body = JSON.stringify(options.json);
      headers["Content-Type"] = "application/json";
    }
    let response: Response;
    let parsed: unknown;
    try {
      response = await fetch(this.base + path + query, {
        method,
        headers,
        body,
        credentials: "same-origin",
        cache: "no-store",
        ...(options.signal && { signal: options.signal }),
      });
      parsed = await bodyOf(response);
    } catch (cause) {
      if (options.signal?.aborted) throw cause;
      throw new NetworkError("no answer from the gateway", { cause });
    }
    if (response.ok) return parsed as T;
    const error = ApiError.from(response.status, parsed);
    // "Denied" is the answer to an unknown login and to a lack of rights alike; who listens
    // tells them apart by asking again.
    if (error.type === "PERMISSION_DENIED" && path !== "tokens") this.onLoginLost();
    throw error;
  }
}
