// A server whose mail to outside comes to us, and what people do with the mail that they have forwarded.
import { Person, serving, test as base } from './fixtures.ts';
import { Peer, type Taken } from './peer.ts';

/** Tests with a server that relays to `peer`, which refuses so many recipients first. */
export const relayed = (refusals: number) => base.extend<object, { peer: Peer }>({
  // eslint-disable-next-line no-empty-pattern -- Playwright reads the names out of the pattern
  peer: [async ({}, use) => {
    const peer = new Peer(refusals);
    await use(peer);
    peer.close();
  }, { scope: 'worker' }],
  server: [async ({ peer }, use) => {
    await serving({ RESTANTE_RELAY__URL: await peer.listen(), RESTANTE_DELIVERY__FIRST_RETRY: '1s' }, use);
  }, { scope: 'worker' }],
});

/** Has what arrives for somebody forwarded, as they do it. */
export async function forwarded(bo: Person, peer: Peer, address: string): Promise<void> {
  await bo.api('POST', '/v1/forwarding', { address, content: 'full' });
  const asked = await peer.received(address, '/confirm?token');
  const token = /\/confirm\?token=3?D?([\w-]+)/.exec(asked.data.replaceAll('=\r\n', ''))?.[1];
  await bo.api('POST', '/v1/confirm', { token });
}

/** The secret address that replies to a forwarded message go to; empty if it has none. */
export const secretOf = (notice: Taken): string => /^Reply-To:.*?(reply\+\w+@\S+?)>?\r$/ims.exec(`${notice.data.split('\r\n\r\n')[0] ?? ''}\r\n`)?.[1] ?? '';
