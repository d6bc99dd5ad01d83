// Without a connection: what was there is read, what is done is kept and goes out later, and tabs agree.
import { expect, open, test } from './fixtures.ts';

const choices = { kind: 'choice', options: [{ name: 'yes', title: 'Yes' }, { name: 'no', title: 'No' }] };

test('a deep link opens offline; reading, filing, writing and answering wait and go out', async ({ page, ana, bo, account }, info) => {
  test.setTimeout(150_000); // eleven pages, and an answer that is held for a while
  const bot = account('deploy-bot', 'service');
  const letter = await bo.send({ to: [ana.address], subject: 'Harbour', text: 'The walls are painted.' });
  await bo.send({ to: [ana.address], subject: 'Later', text: 'To be filed.' });
  const asked = await bot.send({ to: [ana.address], subject: 'Deploy?', text: 'Now.', ask: choices });
  const other = await bot.send({ to: [ana.address], subject: 'Roll back?', text: 'Or not.', ask: choices });
  for (const subject of ['Harbour', 'Later', 'Deploy?', 'Roll back?']) await ana.received(subject);
  await expect(page.getByRole('option')).toHaveCount(4);
  await page.evaluate(async () => { await navigator.serviceWorker.ready; });
  // The copy has the texts too, without any of them having been opened.
  const texts = (): Promise<number> => page.evaluate(async () => {
    const [found] = await indexedDB.databases();
    const db = await new Promise<IDBDatabase>((done, no) => { const request = indexedDB.open(found?.name ?? ''); request.onsuccess = () => done(request.result); request.onerror = () => no(request.error ?? new Error('no')); });
    const count = await new Promise<number>((done) => { const request = db.transaction('messages').objectStore('messages').count(); request.onsuccess = () => done(request.result); });
    db.close();
    return count;
  });
  await expect.poll(texts).toBe(4);

  await page.context().setOffline(true);
  const { thread_id: thread } = await ana.received('Harbour');
  await page.goto(new URL(`/t/${thread}`, page.url()).href);
  await expect(page.getByText('The walls are painted.').last()).toBeVisible();
  await page.goto(new URL('/', page.url()).href);
  await expect(page.getByRole('option')).toHaveCount(4);

  await open(page, 'Later');
  await page.getByRole('region', { name: 'Conversation' }).getByRole('toolbar', { name: 'Actions' }).getByRole('button', { name: 'Archive' }).click();
  await page.goto(new URL('/', page.url()).href); // the change has outlived the page
  await expect(page.getByRole('option')).toHaveCount(3);
  for (const subject of ['Deploy?', 'Roll back?']) {
    await page.goto(new URL('/', page.url()).href);
    await open(page, subject);
    await page.getByRole('button', { name: 'Yes' }).click();
    await expect(page.getByText('Goes out when the connection is back').first()).toBeVisible();
  }
  await page.goto(new URL('/', page.url()).href);
  await page.getByRole('button', { name: 'Write' }).click();
  await page.getByLabel('To', { exact: true }).fill(bo.address);
  await page.getByRole('textbox', { name: 'Subject' }).fill('From the train');
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill('No connection here.');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByText('Goes out when the connection is back').first()).toBeVisible();
  await page.goto(new URL('/', page.url()).href);
  if (info.project.name === 'phone') await page.getByRole('button', { name: 'Open menu' }).click();
  const state = page.getByRole('button', { name: /\d changes? (?:waiting|not made)/ });
  await expect(state).toContainText(/Offline\s*4 changes waiting/);

  // Meanwhile somebody withdraws one question: that answer is refused, and it is said.
  await bot.api('POST', `/v1/promises/${other.promises.answer?.id}/cancel`);
  await page.context().setOffline(false);
  expect(await bot.api('GET', `/v1/promises/${asked.promises.answer?.id}?wait=30`)).toMatchObject({ state: 'fulfilled', value: { choice: 'yes' } });
  await bo.received('From the train');
  await expect.poll(async () => (await ana.api<{ items: { subject: string; mailbox: string }[] }>('GET', '/v1/messages?subject=Later')).items.map((each) => each.mailbox)).toEqual(['archive']);
  await expect(state).toContainText('1 change not made');
  await state.click();
  const box = page.getByRole('dialog', { name: 'Changes to be sent' });
  await expect(box.getByText('Nothing waits.')).toBeVisible();
  await box.getByRole('button', { name: /^Dismiss/ }).click();
  await expect(box.getByText('Not made')).toHaveCount(0);
  expect((await bo.api<{ items: unknown[] }>('GET', '/v1/messages?mailbox=inbox&subject=train')).items).toHaveLength(1);
  expect(letter.id).not.toBe('');
});
