// Whole walks through the inbox: from nothing to the first answer, and through a full list by keyboard alone.
import { accessible, expect, test } from './fixtures.ts';
import { Server } from './server.ts';

test('from the first start to an answered question', async ({ page }) => {
  const server = await new Server().start();
  try {
    await page.goto(server.setup);
    await page.getByLabel('Your name').fill('Ana Ferreira');
    await page.getByLabel('Address').fill('ana@localhost');
    await page.getByLabel('Password', { exact: true }).fill('three old bicycles in a row');
    await page.getByRole('button', { name: 'Create the account' }).click();
    await expect(page.getByText('Up to date').first()).toBeAttached();
    // The agent is made and gets its token, asks with one call, and is told.
    server.run(['account', 'create', 'deploy-bot@localhost', '--name', 'deploy-bot', '--service']);
    const token = server.run(['token', 'create', 'deploy-bot@localhost', '--name', 'first']);
    const call = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
      const answer = await fetch(server.url + path, { method, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
      expect(answer.ok).toBe(true);
      return await answer.json() as Record<string, unknown>;
    };
    const sent = await call('POST', '/v1/messages', { to: ['ana@localhost'], subject: 'Deploy 4821?', text: 'All checks passed.', ask: { kind: 'choice', options: [{ name: 'approve', title: 'Approve' }, { name: 'reject', title: 'Reject' }] } });
    const promise = (sent.promises as { answer: { id: string } }).answer.id;
    const told = call('GET', `/v1/promises/${promise}?wait=50`);
    await page.getByRole('option', { name: 'Deploy 4821?' }).click();
    await page.getByRole('textbox', { name: 'Note' }).fill('I am watching.');
    await page.getByRole('button', { name: 'Approve' }).click();
    expect(await told).toMatchObject({ state: 'fulfilled', value: { choice: 'approve', comment: 'I am watching.' } });
    await expect(page.getByText('You answered “Approve”')).toBeVisible();
  } finally {
    await server.remove();
  }
});

test('a question is passed on, and answered by whoever got it', async ({ page, ana, bo, account }) => {
  // A browser that has not been asked yet whether this page may send messages.
  await page.addInitScript(() => { Object.defineProperty(Notification, 'permission', { get: () => 'default' }); });
  const bot = account('deploy-bot', 'service');
  const sent = await bot.send({ to: [ana.address], subject: 'Which room?', text: 'Loft or garden.', ask: { kind: 'choice', options: [{ name: 'loft', title: 'Loft' }, { name: 'garden', title: 'Garden' }] } });
  await expect(page.getByRole('option', { name: 'Which room?' })).toBeVisible();
  await page.goto(new URL('/asked', page.url()).href);
  const offer = page.getByRole('complementary', { name: 'Messages of the browser' });
  await expect(offer).toContainText('Shall the browser tell you when somebody waits for you?');
  await accessible(page);
  await offer.getByRole('button', { name: 'No, thanks' }).click();
  await expect(offer).toHaveCount(0);
  await page.getByRole('option', { name: 'Which room?' }).click();
  const card = page.getByRole('region', { name: 'Question from deploy-bot' });
  await card.getByRole('button', { name: 'Pass on' }).click();
  await accessible(page);
  await card.getByRole('textbox', { name: 'Address to pass it on to' }).fill(bo.address);
  await card.getByRole('textbox', { name: 'Address to pass it on to' }).press('Enter');
  await expect(card.getByText('Passed on to')).toBeVisible();
  await expect(card.getByRole('button', { name: 'Loft' })).toHaveCount(0);
  const promise = sent.promises.answer?.id ?? '';
  await expect.poll(async () => (await bo.api<{ items: { id: string }[] }>('GET', '/v1/promises?role=asked')).items.map((each) => each.id)).toContain(promise);
  await bo.api('POST', `/v1/promises/${promise}/answer`, { value: { choice: 'garden' } });
  expect(await bot.api('GET', `/v1/promises/${promise}?wait=30`)).toMatchObject({ state: 'fulfilled', value: { choice: 'garden' } });
  await expect(card).toContainText('Garden');
});

test('twenty messages are worked through by keyboard alone', async ({ page, ana, bo }) => {
  await Promise.all(Array.from({ length: 20 }, (_, n) => bo.send({ to: [ana.address], subject: `Letter ${n + 1}.`, text: `Number ${n + 1}.` })));
  const boxes = async (): Promise<Record<string, number>> => Object.fromEntries((await ana.api<{ items: { role: string; total: number }[] }>('GET', '/v1/mailboxes')).items.map((each) => [each.role, each.total]));
  await expect.poll(async () => (await boxes()).inbox).toBe(20);
  await page.reload();
  await expect(page.getByRole('option').first()).toBeVisible();
  // From the first tab stop into the list.
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('listbox')).toBeFocused();
  const keys = async (...all: string[]): Promise<void> => { for (const key of all) await page.keyboard.press(key); };
  const left = (n: number): Promise<void> => expect(page.getByRole('option').first()).toHaveAttribute('aria-setsize', String(n));
  await keys('e', 'e', 'e', 'e', 'e');
  await left(15);
  await keys('#', '#', '#');
  await left(12);
  // Three at once, chosen while moving; then taken back, and done again.
  await keys('x', 'Shift+J', 'Shift+J', 'e');
  await left(9);
  await keys('z');
  await left(12);
  await keys('x', 'Shift+J', 'Shift+J', 'e');
  await left(9);
  // Until tomorrow, by its menu.
  await keys('h');
  await expect(page.getByRole('dialog', { name: 'Snooze until' })).toBeVisible();
  await page.getByRole('button', { name: /^Tomorrow morning/ }).press('Enter');
  await left(8);
  // Read, starred, and back; the keyboard stays where it was.
  await keys('Enter');
  await expect(page.getByRole('heading', { level: 1, name: /^Letter/ })).toBeFocused();
  await keys('s', 'u');
  await expect(page.getByRole('listbox')).toBeFocused();
  // The rest, all of it.
  await keys('Control+a', 'e');
  await expect(page.getByText('Nothing here')).toBeVisible();
  await expect.poll(boxes).toMatchObject({ inbox: 0, archive: 16, trash: 3, snoozed: 1 });
  expect((await ana.api<{ items: unknown[] }>('GET', '/v1/messages?flagged=true')).items).toHaveLength(1);
});

test('a file of 20 MiB is attached although the network is cut in between', async ({ page, ana, bo }) => {
  await page.getByRole('button', { name: 'Write' }).click();
  await page.getByLabel('To', { exact: true }).fill(`${bo.address},`);
  await page.getByRole('textbox', { name: 'Subject' }).fill('The film');
  const network = await page.context().newCDPSession(page);
  await network.send('Network.enable');
  const line = (offline: boolean, upload: number): Promise<unknown> => network.send('Network.emulateNetworkConditions', { offline, latency: 0, downloadThroughput: -1, uploadThroughput: upload });
  await line(false, 4_000_000);
  const bytes = 20 * 1024 * 1024;
  await page.evaluate((size) => {
    // Made in the page: it would take longer to hand it in from outside.
    const data = new Uint8Array(size);
    for (let at = 0; at < size; at += 1) data[at] = (at * 31 + (at >> 8)) & 255;
    const files = new DataTransfer();
    files.items.add(new File([data], 'film.bin', { type: 'application/octet-stream' }));
    const input = document.querySelector<HTMLInputElement>('input[type=file]');
    if (input === null) throw new Error('no field for files');
    input.files = files.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  }, bytes);
  const progress = page.getByRole('progressbar', { name: 'Uploading film.bin' });
  await expect.poll(async () => Number(await progress.evaluate((each: HTMLProgressElement) => each.value))).toBeGreaterThan(0.05);
  await line(true, 0);
  await expect(page.getByText('Goes on when the connection is back').first()).toBeVisible();
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByRole('alert')).toContainText('still on its way');
  await accessible(page);
  await line(false, -1);
  const again = page.getByRole('button', { name: 'Try again: film.bin' });
  // The browser says by itself that the connection is back; if it does not, a press does.
  await expect(async () => { if (await again.isVisible()) await again.click({ timeout: 500 }); await expect(again).toHaveCount(0, { timeout: 500 }); }).toPass();
  await expect(progress).toHaveCount(0, { timeout: 30_000 });
  await page.getByRole('button', { name: 'Send' }).click();
  const { id } = await bo.received('The film');
  const message = await bo.api<{ attachments: { n: number; size: number; filename: string }[] }>('GET', `/v1/messages/${id}`);
  expect((await ana.api<{ items: unknown[] }>('GET', '/v1/messages?mailbox=sent')).items).toHaveLength(1);
  expect(message.attachments).toMatchObject([{ filename: 'film.bin', size: bytes }]);
  const got = await fetch(`${bo.server.url}/v1/messages/${id}/attachments/${message.attachments[0]?.n}`, { headers: { authorization: `Bearer ${bo.token}` } });
  const data = new Uint8Array(await got.arrayBuffer());
  expect(data.length).toBe(bytes);
  expect(data.every((byte, at) => byte === ((at * 31 + (at >> 8)) & 255))).toBe(true);
});
