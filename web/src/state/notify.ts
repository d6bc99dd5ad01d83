// Messages of the browser: somebody waits for an answer, and this window is not looked at.
import { texts } from '../texts.ts';
import { nameOf } from '../words/address.ts';
import { mail } from '../wire/api.ts';
import { hrefOf } from './path.ts';
import { pushing } from './push.ts';

/** At most so many at once. */
const MOST = 3;

/** Shows one for each new question among these messages. The subject is all that is shown of it. */
export async function notify(arrived: Iterable<string>): Promise<void> {
  // Where the server wakes this browser, the worker shows it.
  if (Notification.permission !== 'granted' || pushing()) return;
  let shown = 0;
  for (const id of arrived) {
    const message = await mail.message(id).catch(() => null);
    if (message?.ask?.role !== 'asked' || message.ask.state !== 'pending') continue;
    // The worker shows it, and hears of the click: Chrome for Android lets no page do it by itself.
    await (await navigator.serviceWorker.ready).showNotification(texts.list.notified(nameOf(message.from)), {
      body: message.subject, tag: message.ask.promise_id, icon: '/icon-192.png', data: hrefOf({ kind: 'mailbox', ref: 'inbox' }, message.thread_id),
    });
    shown += 1;
    if (shown === MOST) return;
  }
}
