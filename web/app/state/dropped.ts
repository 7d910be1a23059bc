/** What was dropped or pasted. */
export interface Dropped {
  files: File[];
  /** Names of folders, which look like files there and cannot be read as such. */
  folders: string[];
}

/** Files and folders in `data`, which is empty once its event is over. */
export function droppedIn(data: DataTransfer): Dropped {
  const dropped: Dropped = { files: [], folders: [] };
  for (const item of data.items) {
    const file = item.getAsFile();
    if (!file) continue;
    if (item.webkitGetAsEntry()?.isDirectory) dropped.folders.push(file.name);
    else dropped.files.push(file);
  }
  return dropped;
}
