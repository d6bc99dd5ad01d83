// What tabs and others do meanwhile: the same on every screen, so seen on one.
import { expect, test } from './fixtures.ts';

test('what others did meanwhile stands, and is told; two tabs agree', async ({ page, ana, bo }) => {
  for (const subject of ['One', 'Two']) {
    await bo.send({ to: [ana.address], subject, text: `${subject}.` });
    await ana.received(subject);
  }
  const second = await page.context().newPage();
  await second.goto(page.url());
  await expect(second.getByRole('option')).toHaveCount(2);
  await page.getByRole('option', { name: 'Two' }).click();
  await page.keyboard.press('e');
  // The other tab shows it too, and its undo is told as well.
  await expect(second.getByRole('option')).toHaveCount(1);
  await page.keyboard.press('z');
  await expect(second.getByRole('option')).toHaveCount(2);

  await page.context().setOffline(true);
  await page.getByRole('option', { name: 'One' }).click();
  // It is tried once, by whichever tab, and waits from then on.
  const tried = page.context().waitForEvent('requestfailed', (request) => request.method() === 'PATCH' || /\/v1\/threads\/[\w-]+$/.test(request.url()));
  await page.keyboard.press('e');
  await tried;
  await expect(second.getByRole('option')).toHaveCount(1); // without any server
  const { id } = await ana.received('One');
  await ana.api('PATCH', `/v1/messages/${id}`, { mailbox: 'junk' });
  await page.context().setOffline(false);
  await expect(second.getByText('1 change not made').first()).toBeAttached({ timeout: 30_000 });
  expect((await ana.api<{ mailbox: string }>('GET', `/v1/messages/${id}`)).mailbox).toBe('junk');
  await second.close();
});

test('a log that no longer reaches back is answered with everything anew', async ({ page, ana, bo }) => {
  await bo.send({ to: [ana.address], subject: 'Before', text: 'x' });
  await expect(page.getByRole('option', { name: 'Before' })).toBeVisible();
  const { id } = await ana.received('Before');
  await page.goto('about:blank');
  await ana.api('PATCH', `/v1/messages/${id}`, { mailbox: 'archive' });
  await page.context().route(/events\/stream\?cursor=/, async (route) => {
    await route.fulfill({ status: 410, contentType: 'application/problem+json', body: '{"code":"cursor_expired","detail":"gone"}' });
    await page.context().unroute(/events\/stream\?cursor=/);
  });
  await page.goto(new URL('/', bo.server.url).href);
  await expect(page.getByText('Nothing here')).toBeVisible();
  await bo.send({ to: [ana.address], subject: 'After', text: 'y' });
  await expect(page.getByRole('option', { name: 'After' })).toBeVisible({ timeout: 20_000 });
});
