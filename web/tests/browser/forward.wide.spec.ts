// The main job, seen by the one who wrote: what was sent is forwarded by e-mail, answered there, and read here.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from './fixtures.ts';
import { hand } from './peer.ts';
import { forwarded, relayed, secretOf } from './relayed.ts';

const pictures = process.env.SCREENSHOTS ?? 'test-results/pictures';

const test = relayed(2);

test('an answer by e-mail is read in the conversation, whatever was killed meanwhile', async ({ page, ana, bo, server, peer }) => {
  await forwarded(bo, peer, 'bo@phone.test');
  expect(peer.refused).toBe(2);
  await ana.send({ to: [bo.address], subject: 'Harbour or garden?', text: 'Where shall we meet?' });
  const notice = await peer.received('bo@phone.test', 'Where shall we meet?');
  const secret = secretOf(notice);
  expect(secret).toContain('reply+');
  const answer = [
    'From: Bo <bo@phone.test>', `To: ${secret}`, 'Subject: Re: Harbour or garden?', 'Message-ID: <answer@phone.test>',
    'Content-Type: text/plain; charset=utf-8', '', 'The harbour, at noon.', '', 'On Mon, 23 Nov 2026 at 10:00, Ana wrote:', '> Where shall we meet?',
  ].join('\r\n');
  expect(await hand(server.smtp, 'bo@phone.test', secret, answer)).toMatch(/^250/);
  await server.halt();
  await server.start();
  expect(await hand(server.smtp, 'bo@phone.test', secret, answer), 'the same mail once more').toMatch(/^250/);

  await page.goto(server.url);
  await page.getByRole('option', { name: 'Harbour or garden?' }).click();
  const conversation = page.getByRole('region', { name: 'Conversation' });
  await expect(conversation.getByText('The harbour, at noon.')).toHaveCount(1);
  await expect(conversation.getByText('Bo Lindqvist').first()).toBeVisible();
  await expect(page.locator('body')).not.toContainText('reply+');
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, 'answer-by-e-mail.png') });
});
