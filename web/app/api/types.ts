/** A field the server asks for, at login or as a connection parameter. */
export interface Field {
  name: string;
  type: string;
  options?: string[] | null;
  /** REDIRECT fields: where the browser shall go. */
  redirectUrl?: string | null;
}

/** A group of fields of a form. */
export interface Form {
  name: string;
  fields: Field[];
}

/** Answer to a successful `POST api/tokens`. */
export interface LoginResult {
  authToken: string;
  username: string;
  dataSource: string;
  availableDataSources: string[];
}

/** A stored connection; `parameters` never travel to ordinary users. */
export interface Connection {
  name: string;
  identifier: string;
  parentIdentifier?: string;
  protocol: string;
  attributes?: Record<string, string | null>;
  activeConnections?: number;
  /** Start of its latest use, milliseconds since 1970. */
  lastActive?: number;
}

/** A folder of connections, or a pool the gateway picks one from. */
export interface ConnectionGroup {
  name: string;
  identifier: string;
  parentIdentifier?: string;
  type: "ORGANIZATIONAL" | "BALANCING";
  activeConnections?: number;
  attributes?: Record<string, string | null>;
  childConnections?: Connection[];
  childConnectionGroups?: ConnectionGroup[];
}

/** A live connection somewhere on the gateway. */
export interface ActiveConnection {
  identifier: string;
  connectionIdentifier: string | null;
  startDate: number | null;
  remoteHost?: string | null;
  username?: string | null;
  connectable?: boolean;
}

/** One use of a connection. */
export interface HistoryRecord {
  identifier: string;
  uuid: string;
  connectionIdentifier: string | null;
  connectionName: string;
  startDate: number;
  endDate: number | null;
  remoteHost?: string | null;
  username: string;
  active: boolean;
}

/** Rights of one user; object permissions by object identifier. */
export interface PermissionSet {
  connectionPermissions: Record<string, string[]>;
  connectionGroupPermissions: Record<string, string[]>;
  systemPermissions: string[];
}

/** A protocol and the forms of its parameters. */
export interface Protocol {
  name: string;
  connectionForms?: Form[] | null;
}

/** Body of every error the API answers with. */
export interface ErrorBody {
  message?: string | null;
  translatableMessage?: { key?: string | null; variables?: Record<string, unknown> | null } | null;
  statusCode?: number | null;
  expected?: Field[] | null;
  type?: string | null;
}

/** A way to share a connection. */
export interface SharingProfile {
  identifier: string;
  name: string;
}

/** What a link to a session holds. */
export interface ShareCredentials {
  values: Record<string, string>;
}
