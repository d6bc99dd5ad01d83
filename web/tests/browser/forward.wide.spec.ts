// The main job, seen by the one who wrote: what was sent is forwarded by e-mail, answered there, and read here.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, Person, test as base } from './fixtures.ts';
import { hand, Peer } from './peer.ts';
import { Server } from './server.ts';

const pictures = process.env.SCREENSHOTS ?? 'test-results/pictures';

const test = base.extend<object, { peer: Peer }>({
  // eslint-disable-next-line no-empty-pattern -- Playwright reads the names out of the pattern
  peer: [async ({}, use) => {
    const peer = new Peer(2);
    await use(peer);
    peer.close();
  }, { scope: 'worker' }],
  server: [async ({ peer }, use) => {
    const server = await new Server({ RESTANTE_RELAY__URL: await peer.listen(), RESTANTE_DELIVERY__FIRST_RETRY: '1s' }).start();
    await use(server);
    await server.remove();
  }, { scope: 'worker' }],
});

/** Has what arrives for somebody forwarded, as they do it. */
async function forwarded(bo: Person, peer: Peer, address: string): Promise<void> {
  await bo.api('POST', '/v1/forwarding', { address, content: 'full' });
  const asked = await peer.received(address, '/confirm?token');
  const token = /\/confirm\?token=3?D?([\w-]+)/.exec(asked.data.replaceAll('=\r\n', ''))?.[1];
  await bo.api('POST', '/v1/confirm', { token });
}

test('an answer by e-mail is read in the conversation, whatever was killed meanwhile', async ({ page, ana, bo, server, peer }) => {
  await forwarded(bo, peer, 'bo@phone.test');
  expect(peer.refused).toBe(2);
  await ana.send({ to: [bo.address], subject: 'Harbour or garden?', text: 'Where shall we meet?' });
  const notice = await peer.received('bo@phone.test', 'Where shall we meet?');
  const secret = /^Reply-To:.*?(reply\+\w+@\S+?)>?\r$/ims.exec(`${notice.data.split('\r\n\r\n')[0] ?? ''}\r\n`)?.[1] ?? '';
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
