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
