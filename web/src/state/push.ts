// Messages of the browser while no page is open: a push subscription of this browser, kept on the server.
import { push } from '../wire/api.ts';
import { prefs, setPref } from './prefs.svelte.ts';

/** Under this name local storage keeps what the server calls this browser's subscription. */
const KEY = 'restante.push';
interface Kept { id: string }

function kept(): Kept | null { try { return JSON.parse(localStorage.getItem(KEY) ?? 'null') as Kept | null; } catch { return null; } }
function keep(value: Kept | null): void { try { if (value === null) localStorage.removeItem(KEY); else localStorage.setItem(KEY, JSON.stringify(value)); } catch { /* it is made again the next time */ } }

/** Whether the server wakes this browser, so that the page itself has nothing to show. */
export const pushing = (): boolean => kept() !== null;

/** Subscribes, or renews that: what the browser has changed, and for whose session it is. A server or a browser without push is no trouble: then only open pages tell. */
export async function subscribe(): Promise<void> {
  if (!('serviceWorker' in navigator) || !('PushManager' in globalThis)) return;
  try {
    const worker = await navigator.serviceWorker.ready;
    const before = await worker.pushManager.getSubscription();
    const now = before ?? await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: (await push.key()).public_key });
    const { keys } = now.toJSON();
    if (keys?.p256dh === undefined || keys.auth === undefined) return;
    // One that is known too: it ends with the session that asked for it, so each session asks.
    const { id } = await push.add({ endpoint: now.endpoint, keys: { p256dh: keys.p256dh, auth: keys.auth } });
    keep({ id });
  } catch { /* it is tried again with the next page */ }
}

/** Ends it, here and on the server: when messages are switched off, and when somebody signs out. */
export async function unsubscribe(): Promise<void> {
  const known = kept();
  keep(null);
  if (known !== null) await push.remove(known.id).catch(() => undefined);
  if (!('serviceWorker' in navigator) || !('PushManager' in globalThis)) return;
  const worker = await navigator.serviceWorker.getRegistration().catch(() => undefined);
  await worker?.pushManager.getSubscription().then((subscription) => subscription?.unsubscribe()).catch(() => undefined);
}

/** Asks for leave, where it is clear what for; whether it was given. */
export async function tellMe(wanted: boolean): Promise<boolean> {
  const given = wanted && await Notification.requestPermission() === 'granted';
  setPref('notify', given);
  if (given) void subscribe(); else void unsubscribe();
  return given;
}

/** At the beginning of a page: what the browser has changed or forgotten is renewed. */
export async function renew(): Promise<void> {
  if (prefs.notify && 'Notification' in globalThis && Notification.permission === 'granted') await subscribe();
}
