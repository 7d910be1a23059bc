/** Small pictures of recent machines, kept in this browser only. */
const DATABASE = "guacd-lite";
const STORE = "pictures";
/** Enough for the home page's row and what comes after it; older ones are dropped. */
const MAX_PICTURES = 24;

/** Pictures are drawn at most this wide and high, in pixels. */
export const PICTURE_SIZE = { maxWidthPx: 320, maxHeightPx: 240 } as const;

interface Picture {
  key: string;
  atMs: number;
  blob: Blob;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the browser's store failed"));
  });
}

async function open(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
  const database = await done(request);
  const transaction = database.transaction(STORE, mode);
  transaction.oncomplete = () => database.close();
  return transaction.objectStore(STORE);
}

/** Keeps a picture; failures are swallowed, since nothing depends on it. */
export async function keepPicture(key: string, blob: Blob): Promise<void> {
  try {
    const store = await open("readwrite");
    const all = await done(store.getAll() as IDBRequest<Picture[]>);
    const others = all.filter((picture) => picture.key !== key).sort((a, b) => b.atMs - a.atMs);
    for (const picture of others.slice(MAX_PICTURES - 1)) store.delete(picture.key);
    store.put({ key, atMs: Date.now(), blob } satisfies Picture);
  } catch {
    // A private window, or no room.
  }
}

/** The picture kept under `key`, if there is one. */
export async function loadPicture(key: string): Promise<Blob | null> {
  try {
    const store = await open("readonly");
    const picture = await done(store.get(key) as IDBRequest<Picture | undefined>);
    return picture?.blob ?? null;
  } catch {
    return null;
  }
}

/** Forgets every picture: at logout, and when the preference is switched off. */
export function erasePictures(): Promise<void> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(DATABASE);
    request.onsuccess = request.onerror = request.onblocked = () => resolve();
  });
}
