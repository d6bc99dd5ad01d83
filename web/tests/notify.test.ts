// Messages of the browser: the page hands them to the worker, and the worker leads a click to the conversation.
import { afterEach, expect, test, vi } from 'vitest';
import { notify } from '../src/state/notify.ts';
import { ask, message } from './make.ts';

afterEach(() => { vi.unstubAllGlobals(); vi.resetModules(); });

test('three new questions at most are shown, by the worker; nothing else is, and nothing without leave', async () => {
  const show = vi.fn(() => Promise.resolve());
  // A page may not show them by itself everywhere.
  const notification = Object.assign(() => { throw new TypeError('Illegal constructor'); }, { permission: 'denied' });
  vi.stubGlobal('Notification', notification);
  vi.stubGlobal('navigator', { serviceWorker: { ready: Promise.resolve({ showNotification: show }) } });
  vi.stubGlobal('fetch', (path: string) => {
    const id = path.split('/').at(-1) ?? '';
    return Promise.resolve(Response.json(message({ id, thread_id: `t-${id}`, subject: `About ${id}`, ask: id.startsWith('q') ? ask({ promise_id: `p-${id}`, state: id === 'q1' ? 'fulfilled' : 'pending' }) : null })));
  });
  await notify(['q2']);
  expect(show).not.toHaveBeenCalled();
  notification.permission = 'granted';
  await notify(['m1', 'q1', 'q2', 'q3', 'q4', 'q5']);
  expect(show).toHaveBeenCalledTimes(3);
  expect(show).toHaveBeenNthCalledWith(1, expect.stringContaining('Ines Ferreira'), { body: 'About q2', tag: 'p-q2', icon: '/icon-192.png', data: '/t/t-q2' });
});

/** The worker's listeners, in a browser with these pages and messages. */
async function worker(pages: { visibilityState: string }[], shown: { tag: string; close: () => void }[] = []) {
  const heard = new Map<string, (event: unknown) => void>();
  const registration = { getNotifications: ({ tag }: { tag: string }) => Promise.resolve(shown.filter((each) => each.tag === tag)), showNotification: vi.fn(() => Promise.resolve()) };
  vi.stubGlobal('VERSION', 'v');
  vi.stubGlobal('self', {
    registration, location: { origin: 'https://mail.example.org' }, clients: { matchAll: () => Promise.resolve(pages) },
    addEventListener: (type: string, listener: (event: unknown) => void) => { heard.set(type, listener); },
  });
  await import('../src/worker.ts');
  const push = async (data: unknown): Promise<void> => {
    let done: Promise<unknown> = Promise.resolve();
    const json = (): unknown => { if (data === 'no JSON') throw new SyntaxError('no JSON'); return data; };
    heard.get('push')?.({ data: { json }, waitUntil: (what: Promise<unknown>) => { done = what; } });
    await done;
  };
  return { push, show: registration.showNotification };
}
const question = { kind: 'question', tag: 'p1', title: 'deploy-bot is waiting for your answer', body: 'Deploy 4821?', url: '/t/t1' };

test('a push is shown under its tag, and leads only to pages of ours', async () => {
  const { push, show } = await worker([{ visibilityState: 'hidden' }]);
  await push(question);
  expect(show).toHaveBeenLastCalledWith(question.title, { body: 'Deploy 4821?', tag: 'p1', icon: '/icon-192.png', badge: '/icon-192.png', data: '/t/t1' });
  await push({ ...question, kind: 'message', url: 'https://evil.example/t/t1', body: 7 });
  expect(show).toHaveBeenLastCalledWith(question.title, expect.objectContaining({ data: '/', body: '' }));
  await push({ ...question, url: '//evil.example/x' });
  expect(show).toHaveBeenLastCalledWith(question.title, expect.objectContaining({ data: '/' }));
  expect(show).toHaveBeenCalledTimes(3);
  for (const bad of ['no JSON', null, {}, { ...question, tag: 1 }, { ...question, kind: 'other' }]) await push(bad);
  expect(show).toHaveBeenCalledTimes(3);
});

test('a page that is looked at shows it itself; one that was answered elsewhere goes', async () => {
  const close = vi.fn();
  const other = vi.fn();
  const { push, show } = await worker([{ visibilityState: 'hidden' }, { visibilityState: 'visible' }], [{ tag: 'p1', close }, { tag: 'p2', close: other }]);
  await push(question);
  await push({ ...question, kind: 'answered' });
  expect(show).not.toHaveBeenCalled();
  expect(close).toHaveBeenCalledOnce();
  expect(other).not.toHaveBeenCalled();
});

test('this browser is subscribed once, with the server’s key, and taken off both sides', async () => {
  const stored = new Map<string, string>();
  vi.stubGlobal('localStorage', { getItem: (key: string) => stored.get(key) ?? null, setItem: (key: string, value: string) => stored.set(key, value), removeItem: (key: string) => stored.delete(key) });
  let endpoint: string | null = null;
  const gone = vi.fn(() => { endpoint = null; return Promise.resolve(true); });
  const subscription = { get endpoint() { return endpoint; }, toJSON: () => ({ endpoint, keys: { p256dh: 'P', auth: 'A' } }), unsubscribe: gone };
  const subscribed = vi.fn<(options: object) => Promise<typeof subscription>>(() => { endpoint = 'https://push.example/1'; return Promise.resolve(subscription); });
  const registration = { pushManager: { getSubscription: () => Promise.resolve(endpoint === null ? null : subscription), subscribe: subscribed } };
  vi.stubGlobal('PushManager', vi.fn());
  vi.stubGlobal('navigator', { serviceWorker: { ready: Promise.resolve(registration), getRegistration: () => Promise.resolve(registration) } });
  const calls: [string, string, unknown][] = [];
  vi.stubGlobal('fetch', (path: string, { method, body }: { method: string; body?: string }) => {
    calls.push([method, path, body === undefined ? null : JSON.parse(body)]);
    return Promise.resolve(method === 'DELETE' ? new Response(null, { status: 204 }) : Response.json(path.endsWith('/key') ? { public_key: 'K' } : { id: 's1' }));
  });
  const { pushing, subscribe, unsubscribe } = await import('../src/state/push.ts');
  expect(pushing()).toBe(false);
  await subscribe();
  await subscribe();
  expect(subscribed.mock.calls).toEqual([[{ userVisibleOnly: true, applicationServerKey: 'K' }]]);
  expect(pushing()).toBe(true);
  endpoint = 'https://push.example/2'; // the browser has another one now
  await subscribe();
  const made = (n: number): unknown => ['POST', '/v1/push', { endpoint: `https://push.example/${n}`, keys: { p256dh: 'P', auth: 'A' } }];
  // The server knows it already, but it ends with the session that has asked.
  expect(calls).toEqual([['GET', '/v1/push/key', null], made(1), made(1), made(2)]);
  await unsubscribe();
  expect(calls.at(-1)).toEqual(['DELETE', '/v1/push/s1', null]);
  expect(gone).toHaveBeenCalledOnce();
  expect(pushing()).toBe(false);
});

test.each([true, false])('a click closes it and leads to the conversation, in a window that is open or a new one (%s)', async (isOpen) => {
  const heard = new Map<string, (event: unknown) => void>();
  const open = { focus: vi.fn(() => Promise.resolve()), postMessage: vi.fn() };
  const clients = { matchAll: () => Promise.resolve(isOpen ? [open, { focus: expect.fail }] : []), openWindow: vi.fn(() => Promise.resolve(null)) };
  vi.stubGlobal('VERSION', 'v');
  vi.stubGlobal('self', { clients, addEventListener: (type: string, listener: (event: unknown) => void) => { heard.set(type, listener); } });
  await import('../src/worker.ts');
  let done: Promise<unknown> = Promise.reject(new Error('nothing is waited for'));
  done.catch(() => undefined);
  const close = vi.fn();
  heard.get('notificationclick')?.({ notification: { data: '/t/t1', close }, waitUntil: (what: Promise<unknown>) => { done = what; } });
  await done;
  expect(close).toHaveBeenCalledOnce();
  expect(open.postMessage.mock.calls).toEqual(isOpen ? [['/t/t1']] : []);
  expect(open.focus).toHaveBeenCalledTimes(isOpen ? 1 : 0);
  expect(clients.openWindow.mock.calls).toEqual(isOpen ? [] : [['/t/t1']]);
});
