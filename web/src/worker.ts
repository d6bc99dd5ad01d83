// The service worker: the page and its files from this browser, so that any address within the inbox opens offline. Mail never
// passes through here: the copy of it is the page's own.
/// <reference lib="webworker" />
export {};
declare const self: ServiceWorkerGlobalScope;
/** Every file of this build, filled in when it is built. */
declare const FILES: readonly string[];
declare const VERSION: string;

const NAME = `restante.${VERSION}`;
/** Addresses that are pages of the inbox; every other one is the server's. */
const PAGES = /^\/(?:$|m\/|t\/|asked(?:\/|$)|waiting(?:\/|$)|drafts(?:\/|$)|settings(?:\/|$)|admin(?:\/|$)|compose$)/;

self.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(NAME);
    await Promise.all([...FILES, '/'].map(async (file) => {
      const answer = await fetch(file, { cache: 'no-cache', headers: file === '/' ? { accept: 'text/html' } : {}, credentials: 'same-origin' });
      if (!answer.ok) throw new Error(`${file}: ${answer.status}`);
      await cache.put(file, answer);
    }));
    await self.skipWaiting();
  })());
});

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name.startsWith('restante.') && name !== NAME) await caches.delete(name);
    await self.clients.claim();
  })());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (request.mode === 'navigate') {
    if (PAGES.test(url.pathname)) event.respondWith(shell(request));
    return;
  }
  if (FILES.includes(url.pathname)) event.respondWith(caches.match(url.pathname).then((kept) => kept ?? fetch(request)));
});

/** The page: from the server, so that a new version is there at once; after two seconds, or offline, from here. */
async function shell(request: Request): Promise<Response> {
  const kept = await caches.match('/');
  if (kept === undefined) return fetch(request);
  const slow = new Promise<Response>((done) => setTimeout(() => done(kept.clone()), 2000));
  const fresh = fetch(request).then((answer) => (answer.status < 500 ? answer : kept.clone())).catch(() => kept.clone());
  return Promise.race([fresh, slow]);
}
