// A shell that waits for a person: they answer on the page, or by replying to the mail that the question came as.
import { expect, open, Person } from './fixtures.ts';
import { hand } from './peer.ts';
import { forwarded, relayed, secretOf } from './relayed.ts';
import type { Ended } from './server.ts';

const test = relayed(0);

/** `restante ask … --wait`, which goes on while the test does. */
function waiting(bot: Person, to: string, question: string): { ended: Promise<Ended>; over: () => boolean } {
  let over = false;
  const ended = bot.server.begin(['ask', '--to', to, question, '--choices', 'yes,no', '--wait', '50s'], bot.token);
  void ended.then(() => { over = true; });
  return { ended, over: () => over };
}

test('a person answers on the page while a shell is blocked', async ({ page, ana, account }) => {
  const bot = account('ci', 'service');
  const shell = waiting(bot, ana.address, 'Deploy 4821 to production?');
  await ana.received('Deploy 4821 to production?');
  await open(page, 'Deploy 4821 to production?');
  expect(shell.over(), 'the shell waits').toBe(false);
  await page.getByRole('region', { name: /^Question from/ }).getByRole('button', { name: 'yes' }).click();
  expect(await shell.ended).toEqual({ code: 0, printed: 'yes' });
  await expect(page.getByText('You answered “yes”')).toBeVisible();
});

test('a person answers by replying to the mail while a shell is blocked', async ({ bo, server, peer, account }) => {
  const bot = account('ci', 'service');
  await forwarded(bo, peer, 'bo@phone.test');
  const shell = waiting(bot, bo.address, 'Deploy 4822 to production?');
  const notice = await peer.received('bo@phone.test', 'Deploy 4822 to production?');
  expect(shell.over(), 'the shell waits').toBe(false);
  const secret = secretOf(notice);
  const reply = (id: string, more: string, words: string): string => [
    'From: Bo <bo@phone.test>', `To: ${secret}`, 'Subject: Re: Deploy 4822 to production?', `Message-ID: <${id}@phone.test>`,
    `${more}Content-Type: text/plain; charset=utf-8`, '', words, '', 'On Mon, 23 Nov 2026 at 10:00, ci wrote:', '> Deploy 4822 to production?',
  ].join('\r\n');
  // A machine that answers in the person's absence settles nothing.
  expect(await hand(server.smtp, 'bo@phone.test', secret, reply('away', 'Auto-Submitted: auto-replied\r\n', 'yes'))).toMatch(/^250/);
  expect(await hand(server.smtp, 'bo@phone.test', secret, reply('answer', '', 'No, not on a Friday.'))).toMatch(/^250/);
  expect(await shell.ended).toEqual({ code: 0, printed: 'no' });
});
