import { describe, expect, it, vi } from "vitest";

import type { ApiClient } from "../../app/api/client";
import { NetworkError } from "../../app/api/errors";
import type { ConnectionGroup, HistoryRecord } from "../../app/api/types";
import { rowsOf, windowOf } from "../../app/routes/home/rows";
import { folderOf, Machines, machinesIn } from "../../app/state/machines.svelte";

const connection = (identifier: string, name: string) => ({ identifier, name, protocol: "ssh", activeConnections: 1 });

const TREE: ConnectionGroup = {
  name: "ROOT",
  identifier: "ROOT",
  type: "ORGANIZATIONAL",
  childConnections: [connection("2", "web-10"), connection("1", "web-9")],
  childConnectionGroups: [
    { name: "pool", identifier: "5", type: "BALANCING", childConnections: [connection("9", "hidden")] },
    {
      name: "Lab",
      identifier: "6",
      type: "ORGANIZATIONAL",
      childConnections: [connection("3", "bench")],
      childConnectionGroups: [{ name: "Empty", identifier: "7", type: "ORGANIZATIONAL" }],
    },
  ],
};

const use = (connectionIdentifier: string, startDate: number, username = "ada"): HistoryRecord => ({
  identifier: String(startDate),
  uuid: "",
  connectionIdentifier,
  connectionName: "",
  startDate,
  endDate: null,
  username,
  active: false,
});

function make(change: Partial<Record<keyof ApiClient, unknown>> = {}) {
  const api = {
    tree: () => Promise.resolve(TREE),
    activeConnections: () => Promise.resolve({}),
    history: () => Promise.resolve([use("1", 10), use("3", 30), use("1", 40), use("2", 50, "eve"), use("99", 60)]),
    permissions: () => Promise.resolve({ systemPermissions: [] }),
    ...change,
  };
  return new Machines(api as unknown as ApiClient);
}

describe("the tree of machines", () => {
  it("is sorted by name as people read numbers, pools as machines", () => {
    const folder = folderOf("d", TREE);
    expect(folder.machines.map((machine) => machine.name)).toEqual(["pool", "web-9", "web-10"]);
    expect(folder.machines[0]).toMatchObject({ protocol: "group", target: { type: "g", id: "5", dataSource: "d" } });
    expect(folder.total).toBe(4);
    expect(machinesIn(folder).find((machine) => machine.name === "bench")?.path).toEqual(["Lab"]);
  });

  it("shows the lines of open folders only, each with its level and place", () => {
    const folder = folderOf("d", TREE);
    expect(rowsOf(folder, () => false)).toHaveLength(4);
    const rows = rowsOf(folder, () => true);
    expect(rows.map((row) => [row.kind, row.level, row.position, row.size])).toEqual([
      ["folder", 1, 1, 4],
      ["folder", 2, 1, 2],
      ["empty", 3, 1, 1],
      ["machine", 2, 2, 2],
      ["machine", 1, 2, 4],
      ["machine", 1, 3, 4],
      ["machine", 1, 4, 4],
    ]);
    expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
  });

  it("draws only the lines in sight", () => {
    expect(windowOf(5000, 40, 0, 800, 10)).toEqual({ from: 0, to: 30 });
    expect(windowOf(5000, 40, 40_000, 800, 10)).toEqual({ from: 990, to: 1030 });
    expect(windowOf(3, 40, 90_000, 800, 10)).toEqual({ from: 3, to: 3 });
  });
});

describe("the list of machines", () => {
  it("knows one's own recent ones, newest first, each once, only those still there", async () => {
    const machines = make();
    await machines.load("ada", ["d"]);
    expect(machines.phase).toBe("ready");
    expect(machines.recent.map((entry) => [entry.machine.name, entry.atMs])).toEqual([
      ["web-9", 40],
      ["bench", 30],
    ]);
    expect(machines.all.find((machine) => machine.name === "web-9")?.lastUsedMs).toBe(40);
  });

  it("shows one's own running sessions that can be joined", async () => {
    const active = (username: string, connectable: boolean) => ({ identifier: "u", connectionIdentifier: "1", startDate: 1, username, connectable });
    const machines = make({
      activeConnections: () => Promise.resolve({ a: { ...active("ada", true), identifier: "a" }, b: active("eve", true), c: active("ada", false) }),
    });
    await machines.load("ada", ["d"]);
    expect(machines.running.map((running) => running.uuid)).toEqual(["a"]);
    expect(machines.running[0]?.target).toEqual({ type: "a", id: "a", dataSource: "d" });
  });

  it("does without history, sessions and rights", async () => {
    const fails = () => Promise.reject(new Error("forbidden"));
    const machines = make({ history: fails, activeConnections: fails, permissions: fails });
    await machines.load("ada", ["d"]);
    expect(machines.phase).toBe("ready");
    expect(machines.admin).toBe(false);
    expect(machines.all).toHaveLength(4);
  });

  it("joins several data sources without mixing them up", async () => {
    const machines = make();
    await machines.load("ada", ["d", "e"]);
    expect(new Set(machines.all.map((machine) => machine.key)).size).toBe(8);
    expect(machines.folder?.total).toBe(8);
  });

  it("keeps the last tree when a refresh fails, and says that it is old", async () => {
    const tree = vi.fn(() => Promise.resolve(TREE));
    const machines = make({ tree });
    await machines.load("ada", ["d"]);
    tree.mockRejectedValue(new NetworkError("gone"));
    await machines.load("ada", ["d"]);
    expect(machines.phase).toBe("ready");
    expect(machines.stale).toBe(true);
    expect(machines.all).toHaveLength(4);
  });

  it("fails when there was never a tree", async () => {
    const machines = make({ tree: () => Promise.reject(new NetworkError("gone")) });
    await machines.load("ada", ["d"]);
    expect(machines.phase).toBe("failed");
  });
});
