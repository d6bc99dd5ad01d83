// What every browser test has: a server, people on it, and a page on which nothing may go wrong unnoticed.
import { findings } from './axe.ts';
import { test as base, expect, type Page, type WorkerFixture } from '@playwright/test';
import { logs, Server } from './server.ts';

export { expect };

/** An account with a token of its own. */
export class Person {
  constructor(readonly server: Server, readonly address: string, readonly name: string, readonly password: string, readonly token: string) {}

  /** Calls the API as this account; throws unless it answers well. */
  async api<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(this.server.url + path, {
      method, headers: { authorization: `Bearer ${this.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  }

  /** Sends a message; the answer of the server. */
  send(body: Record<string, unknown>): Promise<{ id: string; thread_id: string; promises: { answer?: { id: string } } }> {
    return this.api('POST', '/v1/messages', body);
  }

  /** Waits until a message with this subject is in the inbox. */
  async received(subject: string): Promise<{ id: string; thread_id: string; seen: boolean; flagged: boolean; mailbox: string; subject: string }> {
    const { items } = await this.api<{ items: [{ id: string; thread_id: string; seen: boolean; flagged: boolean; mailbox: string; subject: string }] }>(
      'GET', `/v1/messages?mailbox=inbox&wait=20&subject=${encodeURIComponent(subject)}`);
    if (items[0] === undefined) throw new Error(`“${subject}” did not arrive`);
    return items[0];
  }

  /** Signs a page's browser in. */
  async signIn(page: Page): Promise<void> {
    const answer = await page.context().request.post(`${this.server.url}/v1/session`, { data: { address: this.address, password: this.password } });
    expect(answer.status()).toBe(200);
  }
}

/** What went wrong on a page: errors nobody caught, and what the content security policy stopped. */
function watch(page: Page, into: string[]): void {
  page.on('pageerror', (error) => into.push(`error: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    // A refused request is what some tests provoke. And what the debugger adds to every frame is kept out of the frames of
    // messages, as any script is: that is said for each of them, whatever the message holds.
    const expected = text.startsWith('Failed to load resource') || text.startsWith("Blocked script execution in 'about:srcdoc'");
    if (message.type() === 'error' && !expected) into.push(`console: ${text}`);
  });
}

let made = 0;

interface Given {
  /** Makes a person (with a password) or a service, under an address of its own. */
  account: (name: string, kind?: 'person' | 'service') => Person;
  /** A person, signed in on this page. */
  ana: Person;
  /** Somebody else. */
  bo: Person;
  /** What went wrong on the page so far; must be empty at the end. */
  faults: string[];
}

/** A fixture: a server with these settings, for the tests of one worker that use it. */
// eslint-disable-next-line no-empty-pattern -- Playwright reads the names out of the pattern
export const own = (settings: Record<string, string> = {}) => [async ({}: object, use: (server: Server) => Promise<void>): Promise<void> => { await serving(settings, use); }, { scope: 'worker' }] as [WorkerFixture<Server, object>, { scope: 'worker' }];

/** Has a server with these settings for as long as it is used. */
export async function serving(settings: Record<string, string>, use: (server: Server) => Promise<void>): Promise<void> {
  const server = await new Server(settings).start();
  await use(server);
  await server.remove();
}

export const test = base.extend<Given, { server: Server }>({
  server: own(),

  account: async ({ server }, use) => {
    await use((name, kind = 'person') => {
      made += 1;
      const address = `${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}-${made}@localhost`;
      const password = 'three old bicycles in a row';
      server.run(['account', 'create', address, '--name', name, ...(kind === 'service' ? ['--service'] : ['--password-stdin'])], `${password}\n`);
      return new Person(server, address, name, password, server.run(['token', 'create', address, '--name', 'tests']));
    });
  },

  faults: [async ({ page }, use, info) => {
    const faults: string[] = [];
    watch(page, faults);
    await use(faults);
    if (info.status !== info.expectedStatus) for (const log of logs()) process.stderr.write(`${log}\n`);
    expect(faults).toEqual([]);
  }, { auto: true }],

  ana: async ({ account, page, server }, use) => {
    const ana = account('Ana Ferreira');
    await ana.signIn(page);
    await page.goto(server.url);
    await expect(page.getByText('Up to date').first()).toBeAttached();
    await use(ana);
  },

  bo: async ({ account }, use) => { await use(account('Bo Lindqvist')); },
});

/** Opens the conversation with this subject from the list. */
export async function open(page: Page, subject: string): Promise<void> {
  await page.getByRole('option', { name: subject }).click();
  await expect(page.getByRole('heading', { level: 1, name: subject })).toBeVisible();
}

/** No finding of axe against WCAG 2.2 AA on what is shown now. */
export async function accessible(page: Page): Promise<void> {
  // Colours are judged when nothing moves any more.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((each) => each.finished)));
  const found = await findings(page);
  expect(found).toEqual([]);
}
