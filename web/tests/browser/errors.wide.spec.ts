// What goes wrong is said where it went wrong, with what was kept and what can be done. The answers are made here.
import { accessible, expect, test } from './fixtures.ts';

// Answers are made for the page's own requests.
test.use({ serviceWorkers: 'block' });

const problem = (status: number, code: string, detail: string): { status: number; contentType: string; body: string } =>
  ({ status, contentType: 'application/problem+json', body: JSON.stringify({ type: 'about:blank', title: detail, status, code, detail }) });
const json = (body: unknown, status = 200): { status: number; contentType: string; body: string } => ({ status, contentType: 'application/json', body: JSON.stringify(body) });

test('a list, a conversation and a message that cannot be loaded say so, and come when asked again', async ({ page, ana, bo }) => {
  await bo.send({ to: [ana.address], subject: 'Harbour', text: 'The walls are painted.' });
  const { id, thread_id: thread } = await ana.received('Harbour');
  await expect(page.getByRole('option')).toHaveCount(1);

  await page.route('**/v1/threads?*', (route) => route.fulfill(problem(503, 'busy', 'The server is busy.')));
  await page.goto(new URL('/m/archive', page.url()).href);
  const list = page.getByRole('region', { name: 'Archive' });
  await expect(list.getByRole('alert')).toContainText('The list could not be loaded. The server is busy.');
  await accessible(page);
  await page.unroute('**/v1/threads?*');
  await list.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByText('Nothing here')).toBeVisible();

  await page.evaluate(() => indexedDB.databases().then((all) => Promise.all(all.map((each) => new Promise((done) => { const gone = indexedDB.deleteDatabase(each.name ?? ''); gone.onsuccess = gone.onblocked = gone.onerror = done; })))));
  await page.route(`**/v1/threads/${thread}`, (route) => route.fulfill(problem(500, 'internal', 'Something went wrong.')));
  await page.goto(new URL(`/t/${thread}`, page.url()).href);
  const conversation = page.getByRole('region', { name: 'Conversation' });
  await expect(conversation.getByRole('alert')).toContainText('Could not be loaded. Something went wrong.');
  await accessible(page);
  await page.unroute(`**/v1/threads/${thread}`);
  await page.route(`**/v1/messages/${id}`, (route) => route.fulfill(problem(500, 'internal', 'Something went wrong.')));
  await conversation.getByRole('button', { name: 'Try again' }).click();
  await expect(conversation.getByRole('alert')).toContainText('Could not be loaded.');
  await accessible(page);
  await page.unroute(`**/v1/messages/${id}`);
  // And when it comes, but nobody knows for certain from whom.
  await page.route(`**/v1/messages/${id}`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...await response.json() as object, unverified: true } });
  });
  await conversation.getByRole('button', { name: 'Try again' }).click();
  await expect(conversation.getByText('The walls are painted.')).toBeVisible();
  await expect(conversation.getByRole('note')).toHaveText('It came to a secret reply address, but it is not certain who wrote it. Whoever was given that address has been asked.');
  await accessible(page);
  await page.unroute(`**/v1/messages/${id}`);

  await page.goto(new URL('/t/nothing-of-the-kind', page.url()).href);
  await expect(conversation.getByRole('alert')).toContainText('not here any more');
  await accessible(page);
});

test('what cannot be done is taken back on the screen, and says why', async ({ page, ana, bo }) => {
  await bo.send({ to: [ana.address], subject: 'Harbour', text: 'Painted.' });
  await expect(page.getByRole('option')).toHaveCount(1);
  await page.route('**/v1/messages', (route) => (route.request().method() === 'PATCH' ? route.fulfill(problem(409, 'conflict', 'Another change was first.')) : route.continue()));
  await page.getByRole('listbox').focus();
  await page.keyboard.press('e');
  await expect(page.getByText(/^Not changed: .*Another change was first\.$/)).toBeVisible();
  await expect(page.getByRole('option')).toHaveCount(1);
  await page.unroute('**/v1/messages');

  // A file that is refused, and one that is too big to begin with.
  await page.getByRole('button', { name: 'Write' }).click();
  await page.route('**/v1/uploads', (route) => route.fulfill(problem(507, 'storage_full', 'The disk is full.')));
  await page.locator('input[type=file]').setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('a') });
  await expect(page.getByRole('alert')).toContainText('a.txt was not attached. The disk is full.');
  await accessible(page);
  await page.unroute('**/v1/uploads');
  await page.route('**/v1/messages', (route) => (route.request().method() === 'POST' ? route.fulfill(problem(413, 'message_too_large', 'The message is 31 MB, the limit is 25 MB.')) : route.continue()));
  await page.getByLabel('To', { exact: true }).fill(`${bo.address},`);
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Hello');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByText(/Not sent\. The message is 31 MB, the limit is 25 MB\./).first()).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'Message', exact: true })).toHaveValue('Hello');
});

test('parts of the settings that a server lacks, or cannot give, say so', async ({ page, ana }) => {
  expect(ana.address).not.toBe('');
  await page.route('**/v1/webhooks', (route) => route.fulfill(problem(501, 'not_supported_yet', 'To come.')));
  await page.route('**/v1/forwarding', (route) => route.fulfill(problem(500, 'internal', 'Something went wrong.')));
  await page.goto(new URL('/settings', page.url()).href);
  await expect(page.getByText('This server does not offer webhooks.')).toBeVisible();
  await expect(page.getByRole('region', { name: 'Forwarding' }).getByRole('alert')).toContainText('Could not be loaded.');
  await accessible(page);
});

test('webhooks are made, tested, looked into, switched on again and removed', async ({ page, ana }) => {
  expect(ana.address).not.toBe('');
  const hook = { id: 'w1', url: 'https://example.org/hook', types: ['promise.settled'], enabled: true, disabled_reason: null as string | null, created_at: '2026-11-23T09:00:00Z' };
  let all: (typeof hook)[] = [];
  const asked: string[] = [];
  await page.route('**/v1/webhooks/**', async (route) => {
    const request = route.request();
    const { pathname } = new URL(request.url());
    asked.push(`${request.method()} ${pathname} ${request.postData() ?? ''}`.trim());
    if (pathname.endsWith('/deliveries')) return route.fulfill(json({ items: [{ id: 'c1', event: '17', state: 'failed', created_at: hook.created_at, next_attempt_at: null, attempts: [{ at: hook.created_at, status: 500, detail: 'Internal Server Error' }] }], next_cursor: null }));
    if (request.method() === 'DELETE') { all = []; return route.fulfill({ status: 204 }); }
    if (request.method() === 'PATCH') { all = [{ ...hook, enabled: true, disabled_reason: null }]; return route.fulfill(json(all[0])); }
    if (pathname.endsWith('/rotate')) { all = [{ ...hook, enabled: false, disabled_reason: 'gone' }]; return route.fulfill(json({ public_key: 'whpk_x', secret: 'whsec_second', created_at: hook.created_at })); }
    return route.fulfill(json({ deliveries: [] }, 202));
  });
  await page.route('**/v1/webhooks', async (route) => {
    const request = route.request();
    if (request.method() === 'GET') return route.fulfill(json({ items: all, next_cursor: null }));
    asked.push(`POST ${request.postData() ?? ''}`);
    all = [hook];
    return route.fulfill(json({ ...hook, secret: 'whsec_first' }, 201));
  });
  await page.goto(new URL('/settings', page.url()).href);
  const part = page.getByRole('region', { name: 'Webhooks' });
  await expect(part.getByText('No webhooks.')).toBeVisible();
  await part.getByLabel('Address, with https').fill(hook.url);
  await part.getByLabel('Questions that are settled').check();
  await part.getByRole('button', { name: 'Add the webhook' }).click();
  await expect(part.getByText('whsec_first')).toBeVisible();
  expect(asked).toContain(`POST ${JSON.stringify({ url: hook.url, types: ['promise.settled'] })}`);
  await part.getByRole('button', { name: `Send a test to ${hook.url}` }).click();
  await expect(part.getByText(`A test is on its way to ${hook.url}.`)).toBeVisible();
  expect(asked).toContain('POST /v1/webhooks/w1/test');
  await part.getByRole('button', { name: `Calls to ${hook.url}` }).click();
  await expect(part.getByText('500 Internal Server Error')).toBeVisible();
  await part.getByRole('button', { name: 'Send again: Event 17' }).click();
  await expect.poll(() => asked).toContain('POST /v1/webhooks/w1/redeliver {"delivery_id":"c1"}');
  await part.getByRole('button', { name: `Renew the secret for ${hook.url}` }).click();
  await expect(part.getByText(`The secret for ${hook.url}.`)).toBeVisible();
  await expect(part.getByText('whsec_second')).toBeVisible();
  await expect(part.getByText('It answered that it is gone.')).toBeVisible();
  await accessible(page);
  await part.getByRole('button', { name: `Switch on ${hook.url}` }).click();
  await expect(part.getByText('Switched off')).toHaveCount(0);
  expect(asked).toContain('PATCH /v1/webhooks/w1 {"enabled":true}');
  await part.getByRole('button', { name: `Remove ${hook.url}` }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(part.getByText('No webhooks.')).toBeVisible();
});

test('an entry of the queue is explained, sending is paused and let go on, and a domain is looked at', async ({ page, ana }) => {
  const owed = {
    id: 'd1', message_id: 'm1', account_id: 'a1', kind: 'mail', destination: 'elsewhere.invalid', recipient: 'kim@elsewhere.invalid', state: 'delayed', attempts: 3, next_attempt_at: new Date(Date.now() + 3_600_000).toISOString(),
    created_at: new Date().toISOString(), settled_at: null, last_attempt: { at: new Date().toISOString(), remote: 'mx.elsewhere.invalid', code: '452', enhanced_code: '4.2.2', diagnostic: 'over quota' }, reason: null,
  };
  let paused = false;
  await page.route('**/v1/admin/**', (route) => {
    const { pathname } = new URL(route.request().url());
    if (pathname.endsWith('/accounts')) return route.fulfill(json({ items: [{ id: 'a1', address: ana.address, name: 'Ana', kind: 'person', admin: false, created_at: owed.created_at, disabled_at: null }], next_cursor: null }));
    if (pathname.endsWith('/queue')) return route.fulfill(json({ items: [owed], next_cursor: null }));
    if (pathname.endsWith('/domains')) return route.fulfill(json({ items: [{ name: 'example.net', created_at: owed.created_at, main: false, signed: true, records: [{ name: 'example.net', type: 'MX', value: '10 mail.example.org.' }] }], next_cursor: null }));
    if (pathname.endsWith('/domains/example.net/check')) return route.fulfill(json({ checks: [{ state: 'good', detail: 'mail for example.net comes here (MX)' }, { state: 'bad', detail: 'example.net has no DMARC policy' }] }));
    if (pathname.endsWith('/audit')) return route.fulfill(json({ items: [], next_cursor: null }));
    if (!pathname.endsWith('/sending')) return route.fulfill(problem(404, 'not_found', 'There is none.'));
    if (route.request().method() === 'PATCH') paused = (route.request().postDataJSON() as { paused: boolean }).paused;
    return route.fulfill(json({ paused, since: null, reason: paused ? 'asked' : null }));
  });
  await page.goto(new URL('/admin', page.url()).href);
  const queue = page.getByRole('region', { name: 'Queue' });
  await queue.getByRole('button', { name: 'Explain kim@elsewhere.invalid' }).click();
  await expect(queue.getByText('the mailbox is full')).toBeVisible();
  await expect(queue.getByText('over quota')).toBeVisible();
  await expect(queue.getByText('mx.elsewhere.invalid')).toBeVisible();
  await accessible(page);
  await queue.getByRole('button', { name: 'Pause sending' }).click();
  await expect(queue.getByText('Nothing goes out at present.')).toBeVisible();
  await accessible(page);
  await queue.getByRole('button', { name: 'Let mail go out again' }).click();
  await expect(queue.getByText('Nothing goes out at present.')).toHaveCount(0);
  const domains = page.getByRole('region', { name: 'Domains', exact: true });
  await domains.getByRole('button', { name: 'Check example.net' }).click();
  await expect(domains.getByText('example.net has no DMARC policy')).toBeVisible();
  await expect(domains.getByText('Missing')).toBeVisible();
  await accessible(page);
  // A list this server lacks is left out.
  await expect(page.getByRole('region', { name: 'Suppressions' })).toHaveCount(0);
});
