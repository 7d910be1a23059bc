import type { Folder, Machine } from "../../state/machines.svelte";

/** A visible line of the tree. */
export type Row =
  | { kind: "folder"; key: string; level: number; position: number; size: number; folder: Folder; open: boolean }
  | { kind: "machine"; key: string; level: number; position: number; size: number; machine: Machine }
  | { kind: "empty"; key: string; level: number; position: number; size: number };

/** The lines of a tree in which `isOpen` folders show what is in them; levels count from 1. */
export function rowsOf(folder: Folder, isOpen: (key: string) => boolean, level = 1): Row[] {
  const rows: Row[] = [];
  const size = folder.folders.length + folder.machines.length;
  let position = 0;
  for (const child of folder.folders) {
    position += 1;
    const open = isOpen(child.key);
    rows.push({ kind: "folder", key: child.key, level, position, size, folder: child, open });
    if (!open) continue;
    const inside = rowsOf(child, isOpen, level + 1);
    rows.push(...inside);
    if (inside.length === 0) {
      rows.push({ kind: "empty", key: `${child.key}/empty`, level: level + 1, position: 1, size: 1 });
    }
  }
  for (const machine of folder.machines) {
    position += 1;
    rows.push({ kind: "machine", key: machine.key, level, position, size, machine });
  }
  return rows;
}

/** The part of `count` equal lines that is in sight, with some lines more on both sides. */
export function windowOf(
  count: number,
  rowPx: number,
  topPx: number,
  heightPx: number,
  extra = 12,
): { from: number; to: number } {
  const from = Math.max(0, Math.floor(topPx / rowPx) - extra);
  const to = Math.min(count, Math.ceil((topPx + heightPx) / rowPx) + extra);
  return { from: Math.min(from, count), to: Math.max(to, 0) };
}
