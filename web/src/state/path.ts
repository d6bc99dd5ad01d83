// The addresses of the app's pages, read and written.

/** What the list shows. */
export type Box = { kind: 'mailbox'; ref: string } | { kind: 'asked' | 'asker' | 'drafts' };
/** A page of the app. */
export type Route =
  | { page: 'mail'; box: Box; thread: string | null }
  | { page: 'settings' | 'admin' | 'signin' | 'missing' }
  /** What another program asks to be written: the manifest's share target and mailto links. */
  | { page: 'compose'; query: string }
  | { page: 'setup' | 'confirm'; token: string };

/** Reads an address. */
export function parse(path: string, search: string): Route {
  const token = new URLSearchParams(search).get('token') ?? '';
  const parts = path.split('/').filter((part) => part !== '').map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  const [first, second] = parts;
  if (first === 'setup' || first === 'confirm') return { page: first, token };
  if (first === 'compose' && parts.length === 1) return { page: 'compose', query: search };
  if (first === 'settings' || first === 'admin' || first === 'signin') return { page: first };
  let box: Box = { kind: 'mailbox', ref: 'inbox' };
  let rest = parts;
  if (first === 'm' && second !== undefined) { box = { kind: 'mailbox', ref: second }; rest = parts.slice(2); }
  else if (first === 'asked' || first === 'drafts') { box = { kind: first }; rest = parts.slice(1); }
  else if (first === 'waiting') { box = { kind: 'asker' }; rest = parts.slice(1); }
  if (rest.length === 0) return { page: 'mail', box, thread: null };
  if (rest.length === 2 && rest[0] === 't') return { page: 'mail', box, thread: rest[1] ?? null };
  return { page: 'missing' };
}

/** The address of a list, with a thread open in it or not. */
export function hrefOf(box: Box, thread: string | null = null): string {
  const base = box.kind === 'asker' ? '/waiting' : box.kind === 'mailbox' ? (box.ref === 'inbox' ? '' : `/m/${encodeURIComponent(box.ref)}`) : `/${box.kind}`;
  return thread === null ? base || '/' : `${base}/t/${encodeURIComponent(thread)}`;
}
