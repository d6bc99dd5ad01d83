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
    // The order of keys is that of their making: the last but one is the version that pages may still be of.
    const others = (await caches.keys()).filter((name) => name.startsWith('restante.') && name !== NAME);
    for (const name of others.slice(0, -1)) await caches.delete(name);
    await self.clients.claim();
  })());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (request.mode === 'navigate') {
    if (PAGES.test(url.pathname)) event.respondWith(shell(event));
    return;
  }
  // This version's own first: only the names of /assets/ bear hashes of their content. Those of the version before are there as long
  // as a page of it may be open.
  if (FILES.includes(url.pathname) || url.pathname.startsWith('/assets/')) {
    event.respondWith(caches.match(url.pathname, { cacheName: NAME }).then(async (kept) => kept ?? await caches.match(url.pathname) ?? fetch(request)));
  }
});

/** What is pushed; `tag` is the question or the conversation it is about. */
interface Pushed { kind: 'question' | 'message' | 'answered'; tag: string; title: string; body: string; url: string }

/** Reads what was pushed; null for what is none of ours. */
function pushed(data: PushMessageData | null): Pushed | null {
  try {
    const { kind, tag, title, body, url } = data?.json() as Record<keyof Pushed, unknown>;
    if (typeof tag !== 'string' || typeof title !== 'string' || (kind !== 'question' && kind !== 'message' && kind !== 'answered')) return null;
    // Nothing but a page of ours is opened, whatever it says.
    const to = new URL(typeof url === 'string' ? url : '/', self.location.origin);
    return { kind, tag, title, body: typeof body === 'string' ? body : '', url: to.origin === self.location.origin ? to.pathname : '/' };
  } catch { return null; }
}

/** A push shows a message of the browser's, in the place of an earlier one about the same; when a question has been answered
 *  elsewhere, what is shown of it goes. A page that is looked at shows it all by itself. */
self.addEventListener('push', (event) => {
  const news = pushed(event.data);
  if (news === null) return;
  event.waitUntil((async () => {
    const shown = await self.registration.getNotifications({ tag: news.tag });
    if (news.kind === 'answered') { for (const each of shown) each.close(); return; }
    const pages = await self.clients.matchAll({ type: 'window' });
    if (pages.some((page) => page.visibilityState === 'visible')) return;
    await self.registration.showNotification(news.title, { body: news.body, tag: news.tag, icon: '/icon-192.png', badge: '/icon-192.png', data: news.url });
  })());
});

/** A message of the browser's leads to its conversation: in the window that was looked at last, or in a new one. */
self.addEventListener('notificationclick', (event) => {
  const { notification } = event;
  const href = notification.data as string;
  notification.close();
  event.waitUntil((async () => {
    const [open] = await self.clients.matchAll({ type: 'window' });
    if (open === undefined) { await self.clients.openWindow(href); return; }
    open.postMessage(href); // the page goes there by itself: what is being written in it stays
    await open.focus();
  })());
});

/** The page, from here: rows are there before the network has said anything. Whether the server has another one is looked at meanwhile;
 *  then the new worker is fetched, and the next page is of the new version. */
async function shell(event: FetchEvent): Promise<Response> {
  const cache = await caches.open(NAME);
  const kept = await cache.match('/');
  if (kept === undefined) return fetch(event.request);
  const text = kept.clone().text();
  event.waitUntil((async () => {
    const fresh = await fetch('/', { cache: 'no-cache', headers: { accept: 'text/html' }, credentials: 'same-origin' }).catch(() => null);
    if (fresh?.ok !== true) return;
    const copy = fresh.clone();
    // The same page may come with another policy.
    if (await fresh.text() === await text) await cache.put('/', copy); else await self.registration.update();
  })());
  return kept;
}
