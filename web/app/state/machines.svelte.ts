import type { ApiClient } from "../api/client";
import type { ActiveConnection, Connection, ConnectionGroup, HistoryRecord } from "../api/types";
import { sameTarget, type Target } from "../router";

/** A connection or pool the user may open. */
export interface Machine {
  /** Unique among all machines of all data sources. */
  key: string;
  target: Target;
  name: string;
  /** Protocol name, or "group" for a pool. */
  protocol: string;
  /** Names of the groups around it, outermost first. */
  path: readonly string[];
  /** Sessions open on it now, by anybody. */
  inUse: number;
  lastUsedMs: number | undefined;
}

/** A group and what is in it, sorted by name. */
export interface Folder {
  key: string;
  name: string;
  folders: readonly Folder[];
  machines: readonly Machine[];
  /** Machines in it and in everything below. */
  total: number;
}

/** A session of this user that runs on the gateway, perhaps in another window. */
export interface RunningElsewhere {
  uuid: string;
  machine: Machine;
  target: Target;
  sinceMs: number | null;
}

/** As many as fit in one row of a wide window. */
const MAX_RECENT = 6;

const byName = (a: { name: string }, b: { name: string }): number =>
  a.name.localeCompare(b.name, undefined, { numeric: true, sensitivity: "base" });

function machineOf(dataSource: string, connection: Connection, path: readonly string[]): Machine {
  const target: Target = { type: "c", id: connection.identifier, dataSource };
  return {
    key: `${dataSource}/c/${connection.identifier}`,
    target,
    name: connection.name,
    protocol: connection.protocol,
    path,
    inUse: connection.activeConnections ?? 0,
    lastUsedMs: connection.lastActive,
  };
}

function poolOf(dataSource: string, group: ConnectionGroup, path: readonly string[]): Machine {
  return {
    key: `${dataSource}/g/${group.identifier}`,
    target: { type: "g", id: group.identifier, dataSource },
    name: group.name,
    protocol: "group",
    path,
    inUse: group.activeConnections ?? 0,
    lastUsedMs: undefined,
  };
}

/** Turns the server's tree into folders of machines; a pool counts as a machine. */
export function folderOf(dataSource: string, group: ConnectionGroup, path: readonly string[] = []): Folder {
  const machines = (group.childConnections ?? []).map((child) => machineOf(dataSource, child, path));
  const folders: Folder[] = [];
  for (const child of group.childConnectionGroups ?? []) {
    if (child.type === "BALANCING") machines.push(poolOf(dataSource, child, path));
    else folders.push(folderOf(dataSource, child, [...path, child.name]));
  }
  machines.sort(byName);
  folders.sort(byName);
  const total = machines.length + folders.reduce((sum, folder) => sum + folder.total, 0);
  return { key: `${dataSource}/${group.identifier}`, name: group.name, folders, machines, total };
}

/** Every machine of a folder and of those below it. */
export function machinesIn(folder: Folder): Machine[] {
  return [...folder.machines, ...folder.folders.flatMap(machinesIn)];
}

/** The machines a person used last, newest first, each once. */
export function recentOf(
  machines: ReadonlyMap<string, Machine>,
  records: readonly HistoryRecord[],
  userName: string,
  dataSource: string,
): { machine: Machine; atMs: number }[] {
  const seen = new Map<string, { machine: Machine; atMs: number }>();
  for (const record of records) {
    if (record.username !== userName || record.connectionIdentifier === null) continue;
    const machine = machines.get(`${dataSource}/c/${record.connectionIdentifier}`);
    const known = machine && seen.get(machine.key);
    if (machine && (!known || known.atMs < record.startDate)) {
      seen.set(machine.key, { machine, atMs: record.startDate });
    }
  }
  return [...seen.values()].sort((a, b) => b.atMs - a.atMs);
}

/** What the user may open, what of it runs, and what was used last. */
export class Machines {
  phase = $state<"idle" | "loading" | "ready" | "failed">("idle");
  /** When the shown tree was loaded, milliseconds since 1970. */
  loadedAtMs = $state(0);
  /** True when the latest refresh failed: what is shown is older than it should be. */
  stale = $state(false);
  folder = $state.raw<Folder | null>(null);
  all = $state.raw<readonly Machine[]>([]);
  recent = $state.raw<readonly { machine: Machine; atMs: number }[]>([]);
  running = $state.raw<readonly RunningElsewhere[]>([]);
  /** May add machines or manage the gateway. */
  admin = $state(false);

  #loading: Promise<void> | null = null;

  constructor(private readonly api: ApiClient) {}

  /** Loads or refreshes everything; calls at the same time share one load. */
  load(userName: string, dataSources: readonly string[]): Promise<void> {
    this.#loading ??= this.#load(userName, dataSources).finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  /** The machine an address means, when it is in the tree. */
  find(target: Target): Machine | undefined {
    return this.all.find((machine) => sameTarget(machine.target, target));
  }

  /** Ends a session of one's own that runs elsewhere. */
  async end(session: RunningElsewhere): Promise<void> {
    await this.api.endActiveConnections(session.target.dataSource, [session.uuid]);
    this.running = this.running.filter((other) => other.uuid !== session.uuid);
  }

  async #load(userName: string, dataSources: readonly string[]): Promise<void> {
    if (this.phase !== "ready") this.phase = "loading";
    try {
      const parts = await Promise.all(dataSources.map((source) => this.#loadSource(source, userName)));
      const folders = parts.map((part) => part.folder);
      const only = folders.length === 1 ? folders[0] : undefined;
      this.folder = only ?? {
        key: "all",
        name: "ROOT",
        folders: folders.flatMap((folder) => folder.folders),
        machines: folders.flatMap((folder) => folder.machines),
        total: folders.reduce((sum, folder) => sum + folder.total, 0),
      };
      const used = parts.flatMap((part) => part.recent).sort((a, b) => b.atMs - a.atMs);
      const usedAt = new Map(used.map((entry) => [entry.machine.key, entry.atMs]));
      this.all = parts
        .flatMap((part) => machinesIn(part.folder))
        .map((machine) => ({ ...machine, lastUsedMs: usedAt.get(machine.key) ?? machine.lastUsedMs }));
      this.recent = used.slice(0, MAX_RECENT);
      this.running = parts.flatMap((part) => part.running);
      this.admin = parts.some((part) => part.admin);
      this.loadedAtMs = Date.now();
      this.stale = false;
      this.phase = "ready";
    } catch {
      if (this.phase === "ready") this.stale = true;
      else this.phase = "failed";
    }
  }

  async #loadSource(dataSource: string, userName: string) {
    // Only the tree is indispensable; without the rest the page shows less.
    const [tree, active, history, permissions] = await Promise.all([
      this.api.tree(dataSource),
      this.api.activeConnections(dataSource).catch(() => ({}) as Record<string, ActiveConnection>),
      this.api.history(dataSource).catch(() => [] as HistoryRecord[]),
      this.api.permissions(dataSource).catch(() => null),
    ]);
    const folder = folderOf(dataSource, tree);
    const machines = new Map(machinesIn(folder).map((machine) => [machine.key, machine]));
    const running: RunningElsewhere[] = [];
    for (const session of Object.values(active)) {
      const machine = machines.get(`${dataSource}/c/${session.connectionIdentifier}`);
      if (!machine || session.username !== userName || session.connectable !== true) continue;
      running.push({
        uuid: session.identifier,
        machine,
        target: { type: "a", id: session.identifier, dataSource },
        sinceMs: session.startDate,
      });
    }
    const admin =
      permissions?.systemPermissions.some((right) => right === "ADMINISTER" || right === "CREATE_CONNECTION") ??
      false;
    return { folder, recent: recentOf(machines, history, userName, dataSource), running, admin };
  }
}
