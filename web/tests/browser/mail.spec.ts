// Reading, writing and filing mail, as a person does it, against what the API says afterwards.
import { readFileSync } from 'node:fs';
import { accessible, expect, open, test } from './fixtures.ts';

const body = { name: 'Message', exact: true } as const;

test('a message arrives by itself, is read and answered, with a file', async ({ page, ana, bo }) => {
  await expect(page.getByText('Nothing here')).toBeVisible();
  await bo.send({ to: [ana.address], subject: 'Minutes', text: 'Dear Ana,\n\nsee https://example.org/minutes\n\nBo' });
  // Live: nothing is reloaded.
  await expect(page.getByRole('option', { name: 'Minutes' })).toBeVisible();
  const { id } = await ana.received('Minutes');
  await open(page, 'Minutes');
  await expect(page.getByRole('region', { name: 'Conversation' }).getByText('Dear Ana,')).toBeVisible();
  await expect(page.getByRole('link', { name: 'https://example.org/minutes' })).toHaveAttribute('rel', /noopener/);
  await expect.poll(async () => (await ana.api<{ seen: boolean }>('GET', `/v1/messages/${id}`)).seen).toBe(true);

  await page.getByRole('button', { name: 'Reply', exact: true }).or(page.getByRole('button', { name: /^Reply to Bo/ })).first().click();
  await page.getByRole('textbox', body).fill('Thank you, mine are below.');
  await page.locator('input[type=file]').setInputFiles({ name: 'grüße & more.txt', mimeType: 'text/plain', buffer: Buffer.from('Grüße\n') });
  await expect(page.getByRole('button', { name: 'Remove grüße & more.txt' })).toBeVisible();
  await expect(page.locator('progress')).toHaveCount(0);
  await page.getByRole('textbox', body).press('Control+Enter');
  await expect(page.getByText('Sent to Bo Lindqvist')).toBeVisible();
  // It is held for ten seconds; sooner would be no time to undo.
  await expect(page.getByText('Delivered', { exact: true })).toBeVisible({ timeout: 25_000 });

  const answer = await bo.received('Re: Minutes');
  const full = await bo.api<{ text: string; in_reply_to: string; attachments: { filename: string; size: number }[]; thread_id: string }>('GET', `/v1/messages/${answer.id}`);
  expect(full.text).toContain('mine are below.');
  expect(full.text).toContain('> Dear Ana,');
  expect(full.attachments).toMatchObject([{ filename: 'grüße & more.txt', size: 8 }]);
  const original = await ana.api<{ message_id: string }>('GET', `/v1/messages/${id}`);
  expect(full.in_reply_to).toBe(original.message_id);

  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'grüße & more.txt' }).click();
  const file = await download;
  expect(file.suggestedFilename()).toBe('grüße & more.txt');
  expect(readFileSync(await file.path(), 'utf8')).toBe('Grüße\n');
  await page.getByRole('button', { name: 'grüße & more.txt' }).click();
  await expect(page.getByRole('dialog', { name: 'Look at grüße & more.txt' }).getByText('Grüße', { exact: true })).toBeVisible();
  await accessible(page);
  await page.keyboard.press('Escape');
});

test('what was sent can be taken back and sent again', async ({ page, ana, bo }) => {
  await page.getByRole('button', { name: 'Write' }).click();
  await page.getByLabel('To', { exact: true }).fill(bo.address);
  await page.getByRole('textbox', { name: 'Subject' }).fill('Too early');
  await page.getByRole('textbox', body).fill('Not yet.');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByText('Taken back')).toBeVisible();
  await expect(page.getByRole('textbox', body)).toHaveValue('Not yet.');
  await expect.poll(async () => (await ana.api<{ items: { subject: string; state: string }[] }>('GET', '/v1/messages?mailbox=sent')).items.map((each) => each.state)).toEqual(['canceled']);
  await page.getByRole('textbox', body).fill('Now.');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByText('Sent to')).toBeVisible();
  await bo.received('Too early');
  const { items } = await bo.api<{ items: { preview: string }[] }>('GET', '/v1/messages?mailbox=inbox');
  expect(items.map((each) => each.preview)).toEqual(['Now.']);
});

test('a message is scheduled, from a link of another program, and taken back', async ({ page, ana, bo }) => {
  await page.goto(new URL(`/compose?mailto=${encodeURIComponent(`mailto:${bo.address}?subject=Minutes`)}`, page.url()).href);
  await page.getByRole('textbox', body).fill('As agreed.');
  await page.getByRole('button', { name: 'Schedule' }).click();
  await accessible(page);
  await page.getByRole('button', { name: /^Tomorrow morning/ }).click();
  await expect(page.getByText(/^Goes out /)).toBeVisible();
  const state = async (): Promise<unknown[]> => (await ana.api<{ items: { subject: string; state: string }[] }>('GET', '/v1/messages?subject=Minutes')).items.map((each) => each.state);
  expect(await state()).toEqual(['scheduled']);
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByRole('textbox', body)).toHaveValue('As agreed.');
  expect(await state()).toEqual(['canceled']);
});

test('a draft survives a reload', async ({ page, ana, bo }, info) => {
  await bo.send({ to: [ana.address], subject: 'Long letter', text: 'Please answer at length.' });
  await open(page, 'Long letter');
  await page.getByRole('button', { name: /^Reply to Bo/ }).click();
  await page.getByRole('textbox', body).fill('Once upon a time');
  await page.reload();
  await expect(page.getByRole('textbox', body)).toHaveValue('Once upon a time');
  // It is taken up without taking the keys away from the conversation.
  await expect(page.getByRole('textbox', body)).not.toBeFocused();
  // The server has it too, for any other browser; and this one forgets it when another has discarded it.
  const kept = async (): Promise<{ id: string; draft: { text: string } }[]> => (await ana.api<{ items: { id: string; draft: { text: string } }[] }>('GET', '/v1/drafts')).items;
  await expect.poll(async () => (await kept()).map((each) => each.draft.text)).toEqual(['Once upon a time']);
  if (info.project.name !== 'phone') await expect(page.getByRole('link', { name: 'Drafts' }).first()).toBeVisible();
  await page.getByRole('button', { name: 'Discard' }).click();
  await expect(page.getByRole('textbox', body)).toHaveCount(0);
  await expect.poll(async () => (await kept()).length).toBe(0);
  await page.reload();
  await expect(page.getByRole('region', { name: 'Conversation' }).getByText('Please answer at length.')).toBeVisible();
  await expect(page.getByRole('textbox', body)).toHaveCount(0);
});

test('archive, undo, star, unread and delete', async ({ page, ana, bo }, info) => {
  const phone = info.project.name === 'phone';
  for (const subject of ['First', 'Second']) {
    await bo.send({ to: [ana.address], subject, text: `The ${subject.toLowerCase()} one.` });
    await ana.received(subject);
  }
  const state = async (subject: string): Promise<object> => {
    const { items } = await ana.api<{ items: { mailbox: string; seen: boolean; flagged: boolean }[] }>('GET', `/v1/messages?subject=${subject}`);
    const { mailbox, seen, flagged } = items[0] ?? { mailbox: 'gone', seen: false, flagged: false };
    return { mailbox, seen, flagged };
  };
  await expect(page.getByRole('option')).toHaveCount(2);
  const acts = page.getByRole('region', { name: 'Conversation' }).getByRole('toolbar', { name: 'Actions' });

  await open(page, 'First');
  await expect.poll(() => state('First')).toMatchObject({ seen: true });
  await page.getByRole('button', { name: 'Star', exact: true }).last().click();
  await expect.poll(() => state('First')).toMatchObject({ flagged: true });
  await acts.getByRole('button', { name: 'Archive' }).click();
  await expect.poll(() => state('First')).toMatchObject({ mailbox: 'archive', flagged: true });
  await expect(page.getByRole('option', { name: 'First' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect.poll(() => state('First')).toMatchObject({ mailbox: 'inbox' });
  if (phone) await page.getByRole('button', { name: 'Back to the list' }).or(page.getByRole('listbox')).first().click();
  await expect(page.getByRole('option', { name: 'First' })).toBeVisible();

  if (!phone) await open(page, 'First');
  else { await page.goto(new URL('/', page.url()).href); await open(page, 'First'); }
  await acts.getByRole('button', { name: 'Mark as unread' }).click();
  await expect.poll(() => state('First')).toMatchObject({ seen: false });

  await open(page, 'Second');
  await acts.getByRole('button', { name: 'Delete' }).click();
  await expect.poll(() => state('Second')).toMatchObject({ mailbox: 'trash' });
  await page.goto(new URL('/m/trash', page.url()).href);
  await open(page, 'Second');
  await acts.getByRole('button', { name: 'Delete for good' }).click();
  await expect(page.getByRole('alertdialog').or(page.getByRole('dialog'))).toBeVisible();
  await accessible(page);
  await page.getByRole('dialog').or(page.getByRole('alertdialog')).getByRole('button', { name: 'Delete for good' }).click();
  await expect.poll(() => state('Second')).toMatchObject({ mailbox: 'gone' });
  await expect(page.getByText('The trash is empty')).toBeVisible();

  if (!phone) return;
  // A finger moves a row: a little does nothing, to the right it is filed, to the left it goes away until later.
  await page.goto(new URL('/', page.url()).href);
  const row = page.getByRole('option', { name: 'First' });
  const touch = await page.context().newCDPSession(page);
  const swipe = async (dx: number): Promise<void> => {
    const box = await row.boundingBox();
    const at = { x: (box?.x ?? 0) + (box?.width ?? 0) / 2, y: (box?.y ?? 0) + (box?.height ?? 0) / 2 };
    await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [at] });
    for (let n = 1; n <= 5; n += 1) await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [{ x: at.x + (dx * n) / 5, y: at.y }] });
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  };
  await expect(async () => {
    await swipe(-150);
    await expect(page.getByRole('dialog', { name: 'Snooze until' })).toBeVisible({ timeout: 1000 });
  }).toPass();
  await page.keyboard.press('Escape');
  await swipe(50);
  await expect(row).toBeVisible();
  await swipe(150);
  await expect(row).toHaveCount(0);
  await expect.poll(() => state('First')).toMatchObject({ mailbox: 'archive' });
});

test('a message is sent on with its files', async ({ page, ana, bo, account }) => {
  const carol = account('Carol Osei');
  const content = Buffer.from('four\n').toString('base64');
  await bo.send({ to: [ana.address], subject: 'Plan', text: 'The plan is attached.', attachments: [{ filename: 'plan.txt', content_type: 'text/plain', content }] });
  await open(page, 'Plan');
  await page.getByRole('button', { name: 'Forward' }).first().click();
  await page.getByLabel('To', { exact: true }).fill(`${carol.address},`);
  await page.getByRole('textbox', body).last().fill('For you.');
  await page.getByRole('button', { name: 'Send' }).last().click();
  await expect(page.getByText('Sent to')).toBeVisible();
  const { id } = await carol.received('Fwd: Plan');
  const full = await carol.api<{ text: string; attachments: { filename: string }[] }>('GET', `/v1/messages/${id}`);
  expect(full.text).toContain('For you.');
  expect(full.attachments.map((each) => each.filename)).toContain('plan.txt');
});

test('what could not be sent says why and is kept', async ({ page, ana, faults }) => {
  await page.getByRole('button', { name: 'Write' }).click();
  await page.getByLabel('To', { exact: true }).fill('nobody');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByText('“nobody” is no complete address.')).toBeVisible();
  await page.getByLabel('To', { exact: true }).fill(ana.address);
  await page.getByRole('textbox', body).fill('To myself.');
  await page.route('**/v1/messages', (route) => route.fulfill({ status: 422, contentType: 'application/problem+json', body: '{"code":"no_relay","detail":"There is no way out."}' }));
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByText('Not sent. There is no way out. The draft is kept.')).toBeVisible();
  await expect(page.getByRole('textbox', body)).toHaveValue('To myself.');
  await page.unroute('**/v1/messages');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByText('Sent to')).toBeVisible();
  const { items } = await ana.api<{ items: unknown[] }>('GET', '/v1/messages?mailbox=sent');
  expect(items).toHaveLength(1);
  expect(faults).toEqual([]);
});
