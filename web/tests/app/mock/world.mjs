const HOUR_MS = 3_600_000;

const list = [
  { id: "1", name: "web-1", protocol: "ssh", group: "Europe", usedMs: 0.1 * HOUR_MS, inUse: 2 },
  { id: "2", name: "web-2", protocol: "ssh", group: "Europe", usedMs: 3 * HOUR_MS },
  { id: "3", name: "db-primary", protocol: "ssh", group: "Europe/Databases", usedMs: 26 * HOUR_MS, inUse: 1 },
  { id: "4", name: "db-replica", protocol: "ssh", group: "Europe/Databases" },
  { id: "5", name: "design desktop", protocol: "vnc", group: "Lab", usedMs: 1.4 * HOUR_MS },
  { id: "6", name: "dc-2", protocol: "rdp", group: "Lab", usedMs: 70 * HOUR_MS },
  { id: "7", name: "old switch", protocol: "telnet", group: "Lab" },
  { id: "8", name: "bastion", protocol: "ssh", group: "" , usedMs: 170 * HOUR_MS },
  { id: "9", name: "build pods", protocol: "kubernetes", group: "" },
  { id: "20", name: "asks who you are", protocol: "vnc", group: "Trouble", trouble: { required: ["username", "password"] } },
  { id: "21", name: "off", protocol: "ssh", group: "Trouble", trouble: { error: 0x208, message: "Connection refused." } },
  { id: "22", name: "breaks off", protocol: "ssh", group: "Trouble", trouble: { close: 0x202, afterMs: 2500 } },
  { id: "23", name: "falls silent", protocol: "ssh", group: "Trouble", trouble: { silentAfterMs: 1500 } },
  { id: "24", name: "wrong password", protocol: "ssh", group: "Trouble", trouble: { error: 0x301, message: "Authentication failed." } },
  { id: "25", name: "never answers", protocol: "ssh", group: "Trouble", trouble: { hangs: true } },
];

/** Every machine of the stand-in by identifier. */
export const MACHINES = new Map(list.map((machine) => [machine.id, machine]));

/** Adds machines, for looking at a home page with thousands of them. */
export function addMachines(count) {
  for (let i = 0; i < count; i++) {
    const id = String(1000 + i);
    const machine = { id, name: `node-${i}.rack${i % 40}`, protocol: i % 3 ? "ssh" : "vnc", group: `Site ${i % 7}/Rack ${i % 40}`, usedMs: i % 50 ? undefined : i * 60_000 };
    list.push(machine);
    MACHINES.set(id, machine);
  }
}

function visible(user) {
  if (user === "nobody") return [];
  return user === "single" ? list.slice(0, 1) : list;
}

/** The tree of a user, with the number of live sessions on each machine. */
export function treeOf(user, live) {
  const root = { name: "ROOT", identifier: "ROOT", type: "ORGANIZATIONAL", activeConnections: 0, attributes: {} };
  const groups = new Map([["", root]]);
  const groupOf = (path) => {
    const known = groups.get(path);
    if (known) return known;
    const cut = path.lastIndexOf("/");
    const parent = groupOf(cut < 0 ? "" : path.slice(0, cut));
    const group = { name: path.slice(cut + 1), identifier: `g${groups.size}`, parentIdentifier: parent.identifier, type: "ORGANIZATIONAL", activeConnections: 0, attributes: {} };
    (parent.childConnectionGroups ??= []).push(group);
    groups.set(path, group);
    return group;
  };
  for (const machine of visible(user)) {
    const here = [...live.values()].filter((session) => session.machine === machine).length;
    (groupOf(machine.group).childConnections ??= []).push({
      name: machine.name,
      identifier: machine.id,
      parentIdentifier: groupOf(machine.group).identifier,
      protocol: machine.protocol,
      attributes: {},
      activeConnections: (machine.inUse ?? 0) + here,
      ...(machine.usedMs && { lastActive: Date.now() - machine.usedMs }),
    });
  }
  return root;
}

/** Live sessions: one of the user's own that runs elsewhere, and those of this page. */
export function activeOf(user, live) {
  const sessions = {};
  if (user === "admin") {
    sessions["elsewhere"] = { identifier: "elsewhere", connectionIdentifier: "3", startDate: Date.now() - 0.7 * HOUR_MS, remoteHost: "192.0.2.7", username: user, connectable: true };
  }
  for (const [uuid, { machine, startMs }] of live) {
    sessions[uuid] = { identifier: uuid, connectionIdentifier: machine.id, startDate: startMs, remoteHost: "127.0.0.1", username: user, connectable: true };
  }
  return sessions;
}

/** Uses of the machines, newest first. */
export function historyOf(user) {
  return visible(user)
    .filter((machine) => machine.usedMs)
    .map((machine) => ({
      identifier: machine.id,
      uuid: machine.id,
      connectionIdentifier: machine.id,
      connectionName: machine.name,
      startDate: Date.now() - machine.usedMs,
      endDate: Date.now() - machine.usedMs + HOUR_MS / 10,
      remoteHost: "192.0.2.7",
      username: user,
      active: false,
      attributes: {},
      logs: {},
    }))
    .sort((a, b) => b.startDate - a.startDate);
}
