// The list of a wide screen: keys, many rows, many chosen, deliveries, and a server that goes away.
import { accessible, expect, open, own, test } from './fixtures.ts';
import type { Server } from './server.ts';

test('hundreds of rows are windowed, and the last one is reached', async ({ page, ana, bo }) => {
  test.slow();
  const numbers = Array.from({ length: 260 }, (_, n) => n + 1);
  for (let at = 0; at < numbers.length; at += 10) {
    await Promise.all(numbers.slice(at, at + 10).map((n) => bo.send({ to: [ana.address], subject: `Letter ${n}.`, text: `Number ${n}.` })));
  }
  const total = async (): Promise<number> => (await ana.api<{ items: { role: string; total: number }[] }>('GET', '/v1/mailboxes')).items.find((each) => each.role === 'inbox')?.total ?? 0;
  await expect.poll(total, { timeout: 60_000 }).toBe(260);
  await page.reload();
  const rows = page.getByRole('option');
  await expect(rows.first()).toBeVisible();
  expect(await rows.count()).toBeLessThan(40);
  await page.getByRole('listbox').focus();
  // Every press reaches the end of what is there, and has the next page fetched.
  await expect.poll(async () => { await page.keyboard.press('End'); return rows.last().getAttribute('aria-posinset'); }).toBe('260');
  await expect(rows.last()).toHaveAttribute('aria-setsize', '260');
  expect(await rows.count()).toBeLessThan(40);
  const active = await page.getByRole('listbox').getAttribute('aria-activedescendant');
  await expect(page.locator(`#${active}`)).toBeInViewport();

  // New mail above does not move what is read.
  const before = await page.locator(`#${active}`).boundingBox();
  const subject = await page.locator(`#${active} .s`).textContent() ?? '';
  await bo.send({ to: [ana.address], subject: 'Letter of today', text: 'New.' });
  await ana.received('Letter of today');
  const same = rows.filter({ has: page.locator('.s', { hasText: new RegExp(`^${subject.replace('.', '\\.')}$`) }) });
  await expect(same).toHaveAttribute('aria-posinset', '261');
  await expect.poll(async () => Math.abs(((await same.boundingBox())?.y ?? 0) - (before?.y ?? 0))).toBeLessThan(2);

  // Everything that is loaded, with one undo.
  await page.getByRole('listbox').focus();
  await page.keyboard.press('Control+a');
  await expect(page.getByText('261 selected')).toBeVisible();
  await page.keyboard.press('e');
  await expect(page.getByText('Archived 261 threads')).toBeVisible({ timeout: 60_000 });
  await expect.poll(total).toBe(0);
  await page.keyboard.press('z');
  await expect.poll(total, { timeout: 30_000 }).toBe(261);
});

test('keys read, choose, file and answer', async ({ page, ana, bo, account }) => {
  const bot = account('deploy-bot', 'service');
  for (const subject of ['One', 'Two', 'Three']) {
    await bo.send({ to: [ana.address], subject, text: `${subject} of three.` });
    await ana.received(subject);
  }
  await expect(page.getByRole('option')).toHaveCount(3);
  await page.getByRole('listbox').focus();
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'Two' })).toBeVisible();
  await expect(page.getByRole('heading', { level: 1, name: 'Two' })).toBeFocused();
  await page.keyboard.press('k');
  await expect(page.getByRole('heading', { level: 1, name: 'Three' })).toBeVisible();
  await page.keyboard.press('s');
  await expect.poll(async () => (await ana.received('Three')).flagged).toBe(true);
  await page.keyboard.press('u');
  await page.keyboard.press('x');
  await page.keyboard.press('Shift+J');
  await expect(page.getByText('2 selected')).toBeVisible();
  await page.keyboard.press('Shift+I');
  await expect.poll(async () => (await ana.api<{ items: unknown[] }>('GET', '/v1/messages?mailbox=inbox&seen=false')).items.length).toBe(1);
  await page.keyboard.press('Escape');

  const sent = await bot.send({ to: [ana.address], subject: 'Deploy?', text: 'Now.', ask: { kind: 'choice', options: [{ name: 'yes', title: 'Yes' }, { name: 'no', title: 'No' }] } });
  await open(page, 'Deploy?');
  await expect(page.getByRole('button', { name: 'Yes' })).toBeVisible();
  await page.keyboard.press('y'); // takes the focus to the question
  await expect(page.getByRole('region', { name: 'Question from deploy-bot' })).toBeFocused();
  expect((await bot.api<{ state: string }>('GET', `/v1/promises/${sent.promises.answer?.id}`)).state).toBe('pending');
  await page.keyboard.press('y');
  expect(await bot.api('GET', `/v1/promises/${sent.promises.answer?.id}?wait=30`)).toMatchObject({ state: 'fulfilled', value: { choice: 'yes' } });

  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await expect(page).toHaveURL(/\/m\/archive$/);
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
  await page.keyboard.press('Escape');
  await page.goto(new URL('/settings', page.url()).href);
  await page.getByLabel('Single-key shortcuts').uncheck();
  await page.goto(new URL('/', page.url()).href);
  await page.getByRole('listbox').focus();
  await page.keyboard.press('e');
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('option')).toHaveCount(4);
});

test('the search, labels and snoozing', async ({ page, ana, bo, account }) => {
  test.slow();
  const carol = account('Carol Osei');
  await bo.send({ to: [ana.address], subject: 'Harbour', text: 'One.' });
  await carol.send({ to: [ana.address], subject: 'Harbour walls', text: 'Two.', attachments: [{ filename: 'a.txt', content_type: 'text/plain', content: 'YQ==' }] });
  await expect(page.getByRole('option')).toHaveCount(2);
  const { id } = await ana.received('Harbour walls');
  const field = page.getByRole('searchbox', { name: 'Search messages' });
  for (const [text, count] of [[`from:${carol.address}`, 1], ['has:file', 1], ['harbour', 2], ['walls is:unread', 1], ['nothing like it', 0]] as const) {
    await field.fill(text);
    await expect(page.getByRole('option')).toHaveCount(count);
  }
  await expect(page.getByText('No message matches')).toBeVisible();
  await page.getByRole('button', { name: 'Clear the search' }).click();
  // A search looks everywhere; its terms are chips that can be taken away, and it can be kept to this mailbox.
  await ana.api('PATCH', `/v1/messages/${id}`, { mailbox: 'archive' });
  await field.fill('harbour has:file');
  await expect(page.getByRole('option')).toHaveCount(1);
  await page.getByRole('button', { name: 'Only in Inbox' }).click();
  await expect(page.getByText('No message matches')).toBeVisible();
  await page.getByRole('button', { name: 'Remove has:attachment' }).click();
  await expect(page.getByRole('option')).toHaveCount(1);
  await accessible(page);
  await page.getByRole('button', { name: 'Only in Inbox' }).click();
  await expect(page.getByRole('option')).toHaveCount(2);
  // Labels, by key; then found by them.
  await page.getByRole('listbox').focus();
  await page.keyboard.press('l');
  await page.getByRole('textbox', { name: 'New label' }).fill('Boats and more');
  await page.getByRole('textbox', { name: 'New label' }).press('Enter');
  await expect(page.getByRole('checkbox', { name: 'Boats and more' })).toBeChecked();
  await accessible(page);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Boats and more' }).first().click();
  await expect(page.getByRole('option')).toHaveCount(1);
  await page.getByRole('button', { name: 'Clear the search' }).click();
  await ana.api('PATCH', `/v1/messages/${id}`, { mailbox: 'inbox' });
  // Away until a time, taken back, and away again; then it is in its own list.
  await expect(page.getByRole('option')).toHaveCount(2);
  await page.getByRole('listbox').focus();
  await page.keyboard.press('h');
  await accessible(page);
  await page.getByRole('button', { name: /^Tomorrow morning/ }).click();
  await expect(page.getByRole('option')).toHaveCount(1);
  await page.keyboard.press('z');
  await expect(page.getByRole('option')).toHaveCount(2);
  await page.getByRole('listbox').focus();
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('snooze');
  await accessible(page);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: /^Tomorrow morning/ }).click();
  await expect.poll(async () => (await ana.api<{ items: unknown[] }>('GET', '/v1/messages?mailbox=snoozed')).items.length).toBe(1);
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await expect(page.getByRole('option')).toContainText('Until');
  await page.goto(new URL('/', page.url()).href);
  await ana.api('PATCH', '/v1/messages', { query: { mailbox: 'snoozed' }, set: { mailbox: 'inbox' } });
  await ana.api('PATCH', `/v1/messages/${id}`, { flagged: true });
  await page.getByRole('button', { name: 'Starred' }).click();
  await expect(page.getByRole('option')).toHaveCount(1);
});

// A relay that was found to be away before is left alone for a while: here nobody has sent anything yet.
const fresh = test.extend<object, { server: Server }>({ server: own() });
fresh('a delayed delivery tells its story, and is tried again when asked', async ({ page, ana }) => {
  const { id } = await ana.send({ to: ['kim@elsewhere.invalid'], subject: 'Invoice', text: 'Dear Kim' });
  await page.goto(new URL('/m/sent', page.url()).href);
  await open(page, 'Invoice');
  const line = page.locator('details.dlv summary');
  await expect(line).toContainText('Delayed, 1 try so far');
  await line.click();
  await expect(page.getByText('Accepted and stored')).toBeVisible();
  await expect(page.locator('.dlv code')).toContainText('127.0.0.1:9');
  await page.getByRole('button', { name: 'Try now' }).click();
  await expect(line).toContainText('2 tries so far');
  const { items } = await ana.api<{ items: { attempts: number; state: string }[] }>('GET', `/v1/messages/${id}/deliveries`);
  expect(items).toMatchObject([{ attempts: 2, state: 'delayed' }]);
  // What comes meanwhile is not tried at all, and says so.
  await ana.send({ to: ['lee@elsewhere.invalid'], subject: 'Reminder', text: 'Dear Lee' });
  await page.goto(new URL('/m/sent', page.url()).href);
  await open(page, 'Reminder');
  await expect(line).toContainText(/^Delayed(?!,)/);
  await line.click();
  await expect(page.getByText('Not tried yet: where it goes cannot be reached')).toBeVisible();
  await expect(page.locator('.dlv code')).toContainText('not tried: 127.0.0.1:9 could not be reached');
  await accessible(page);
  await page.getByRole('button', { name: 'Try now' }).click();
  await expect(line).toContainText('Delayed, 1 try so far');
});

test('a local address that nobody has fails, and the bounce comes back', async ({ page, ana }) => {
  await ana.send({ to: ['nobody-here@localhost'], subject: 'Anybody?', text: 'Hello' });
  await expect(page.getByRole('option').first()).toBeVisible();
  await page.goto(new URL('/m/sent', page.url()).href);
  await open(page, 'Anybody?');
  await expect(page.locator('details.dlv summary')).toContainText('Could not be delivered');
});
