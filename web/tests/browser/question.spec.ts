// Questions: the card, the answer, and the promise of whoever asked.
import { accessible, expect, open, type Person, test } from './fixtures.ts';

const options = [{ name: 'approve', title: 'Approve' }, { name: 'reject', title: 'Reject', comment: 'required' }];
interface Promised { state: string; value: { choice: string; comment: string | null } | null; answers: { by: string; via: string }[]; reason: { code: string } | null }

async function ask(bot: Person, to: string[], subject: string, deadline = 'P1D'): Promise<string> {
  const sent = await bot.send({ to, subject, text: 'It is ready.', ask: { kind: 'choice', options, deadline, context: { build: 4821 } } });
  return sent.promises.answer?.id ?? '';
}

// An answer can be taken back for ten seconds: whoever asked waits so much longer.
test('an answer fulfils the promise', async ({ page, ana, account }) => {
  const bot = account('deploy-bot', 'service');
  const promise = await ask(bot, [ana.address], 'Deploy 4821?');
  await open(page, 'Deploy 4821?');
  const card = page.getByRole('region', { name: 'Question from deploy-bot' });
  await expect(card).toContainText('deploy-bot is waiting for your answer');
  await card.getByRole('button', { name: 'Approve' }).click();
  await expect(page.getByText('Sending “Approve” in').first()).toBeVisible(); // it can be taken back
  await expect(page.getByText('You answered “Approve”')).toBeVisible({ timeout: 20_000 });
  await accessible(page);
  const settled = await bot.api<Promised>('GET', `/v1/promises/${promise}?wait=30`);
  expect(settled).toMatchObject({ state: 'fulfilled', value: { choice: 'approve' }, answers: [{ by: ana.address, via: 'web' }] });
  await page.reload();
  await expect(page.getByText('You answered “Approve”')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Approve' })).toHaveCount(0);
  await page.goto(new URL('/asked', page.url()).href);
  await expect(page.getByText('Nobody is waiting on you')).toBeVisible();
});

test('a required note is asked for before anything is sent', async ({ page, ana, account }) => {
  const bot = account('deploy-bot', 'service');
  const promise = await ask(bot, [ana.address], 'Deploy 4822?');
  await open(page, 'Deploy 4822?');
  await page.getByRole('button', { name: 'Reject' }).click();
  await expect(page.getByText('Say why: “Reject” needs a note.')).toBeVisible();
  await expect(page.getByLabel('Note')).toBeFocused();
  expect((await bot.api<Promised>('GET', `/v1/promises/${promise}`)).state).toBe('pending');
  await page.getByLabel('Note').fill('The migration is not reviewed.');
  await page.getByRole('button', { name: 'Reject' }).click();
  const settled = await bot.api<Promised>('GET', `/v1/promises/${promise}?wait=30`);
  expect(settled.value).toEqual({ choice: 'reject', comment: 'The migration is not reviewed.' });
});

test('somebody else was first', async ({ page, ana, bo, account }) => {
  const bot = account('deploy-bot', 'service');
  const promise = await ask(bot, [ana.address, bo.address], 'Deploy 4823?');
  await open(page, 'Deploy 4823?');
  await expect(page.getByText('the first answer counts')).toBeVisible();
  await bo.received('Deploy 4823?');
  await bo.api('POST', `/v1/promises/${promise}/answer`, { value: 'approve' });
  // The open card turns by itself.
  await expect(page.getByText(/bo.* answered “Approve”/i)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Approve' })).toHaveCount(0);
});

test('declined, withdrawn and expired questions say so', async ({ page, ana, account }) => {
  const bot = account('deploy-bot', 'service');
  const declined = await ask(bot, [ana.address], 'Declined?');
  await open(page, 'Declined?');
  await page.getByLabel('Note').fill('Not mine to decide.');
  await page.getByRole('button', { name: 'Decline to answer' }).click();
  await expect(page.getByText('You declined to answer')).toBeVisible();
  expect(await bot.api<Promised>('GET', `/v1/promises/${declined}?wait=30`)).toMatchObject({ state: 'rejected', reason: { code: 'declined' } });

  const withdrawn = await ask(bot, [ana.address], 'Withdrawn?');
  await ana.received('Withdrawn?');
  await page.goto(new URL('/', page.url()).href);
  await open(page, 'Withdrawn?');
  await expect(page.getByRole('button', { name: 'Approve' })).toBeVisible();
  await bot.api('POST', `/v1/promises/${withdrawn}/cancel`);
  await expect(page.getByText(/withdrew this question/)).toBeVisible();

  const expired = await ask(bot, [ana.address], 'Expired?', 'PT1S');
  expect(await bot.api<Promised>('GET', `/v1/promises/${expired}?wait=30`)).toMatchObject({ state: 'rejected', reason: { code: 'expired' } });
  await page.goto(new URL('/', page.url()).href);
  await open(page, 'Expired?');
  await expect(page.getByText(/Nobody answered by/)).toBeVisible();
});

test('who asks sees whom it waits for, and may withdraw', async ({ page, ana, bo }) => {
  const promise = await ask(ana, [bo.address], 'Lunch?');
  await bo.received('Lunch?');
  await page.goto(new URL('/waiting', page.url()).href);
  await open(page, 'Lunch?');
  await expect(page.getByText(/Waiting for Bo/i)).toBeVisible();
  await page.getByRole('button', { name: 'Withdraw the question' }).click();
  await page.getByRole('dialog').or(page.getByRole('alertdialog')).getByRole('button', { name: 'Withdraw the question' }).click();
  await expect(page.getByText('You withdrew this question')).toBeVisible();
  expect(await ana.api<Promised>('GET', `/v1/promises/${promise}`)).toMatchObject({ state: 'rejected', reason: { code: 'canceled' } });
});
