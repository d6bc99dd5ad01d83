// The browser's own database (IndexedDB), one for each account. Where there is none (a private window, a full disk), everything
// works without: the copy is empty and what waits to be sent is kept in memory.

/** The stores: rows of lists, conversations, whole messages, single facts, and what waits to be sent. */
export type StoreName = 'rows' | 'threads' | 'messages' | 'facts' | 'outbox';
const STORES: StoreName[] = ['rows', 'threads', 'messages', 'facts', 'outbox'];
const VERSION = 1;
const nameOf = (account: string): string => `restante.${account}`;

let account: string | null = null;
let opening: Promise<IDBDatabase | null> = Promise.resolve(null);

/** A request as a promise. */
export function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the database refused'));
  });
}

function open(name: string): Promise<IDBDatabase | null> {
  return new Promise((resolve) => {
    let request: IDBOpenDBRequest;
    try { request = indexedDB.open(name, VERSION); } catch { resolve(null); return; }
    request.onupgradeneeded = () => {
      const db = request.result;
      for (const old of [...db.objectStoreNames]) db.deleteObjectStore(old);
      db.createObjectStore('rows', { keyPath: ['box', 'id'] }).createIndex('order', ['box', 'back', 'id']);
      db.createObjectStore('threads', { keyPath: 'id' }).createIndex('used', 'used');
      db.createObjectStore('messages', { keyPath: 'id' }).createIndex('used', 'used');
      db.createObjectStore('facts');
      db.createObjectStore('outbox', { keyPath: 'id', autoIncrement: true });
    };
    request.onsuccess = () => {
      const db = request.result;
      db.onversionchange = () => db.close(); // another tab signs out, or a newer version opens it
      resolve(db);
    };
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
}

/** Names the account whose database is used from now on; null for none. */
export function use(id: string | null): void {
  if (id === account) return;
  account = id;
  void opening.then((db) => db?.close());
  opening = id === null ? Promise.resolve(null) : open(nameOf(id));
}

/** The account whose database is used. */
export const owner = (): string | null => account;

/** Runs `work` in one transaction and waits until it is kept. Gives `otherwise` where there is no database or it fails. `strict` waits for the disk. */
export async function within<T>(
  stores: StoreName | StoreName[], mode: IDBTransactionMode, work: (store: (name: StoreName) => IDBObjectStore) => Promise<T> | T, otherwise: T, strict = false,
): Promise<T> {
  const db = await opening;
  if (db === null) return otherwise;
  try {
    const transaction = db.transaction(stores, mode, { durability: strict ? 'strict' : 'relaxed' });
    const ended = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('the database gave up'));
    });
    const [result] = await Promise.all([work((name) => transaction.objectStore(name)), ended]);
    return result;
  } catch {
    return otherwise;
  }
}

/** Whether there is a database. */
export const present = async (): Promise<boolean> => (await opening) !== null;

/** Empties these stores. */
export const empty = (names: StoreName[]): Promise<void> => within(names, 'readwrite', (store) => { for (const name of names) store(name).clear(); }, undefined);

/** Deletes an account's database: nothing of a mailbox stays after signing out. */
export async function destroy(id: string): Promise<void> {
  if (id === account) { const db = await opening; db?.close(); account = null; opening = Promise.resolve(null); }
  await new Promise<void>((resolve) => {
    const request = indexedDB.deleteDatabase(nameOf(id));
    request.onsuccess = request.onerror = request.onblocked = () => resolve();
  });
}

export { STORES };
