// First run, signing in and out, and what is kept under Settings.
import { accessible, expect, test } from './fixtures.ts';
import { Server } from './server.ts';

test('the first administrator is made by the link, once', async ({ page, faults }) => {
  const server = await new Server().start();
  try {
    await page.goto(server.setup);
    await page.getByLabel('Your name').fill('Ana Ferreira');
    await page.getByLabel('Address').fill('ana@localhost');
    await page.getByLabel('Password', { exact: true }).fill('short');
    await page.getByRole('button', { name: 'Create the account' }).click();
    await expect(page.getByRole('alert')).toContainText('at least 12 characters');
    await page.getByLabel('Password', { exact: true }).fill('three old bicycles in a row');
    await page.getByRole('button', { name: 'Create the account' }).click();
    await expect(page.getByText('Nothing here')).toBeVisible();
    expect(new URL(page.url()).search).toBe('');
    const me = await (await page.request.get(`${server.url}/v1/me`)).json() as { address: string; admin: boolean };
    expect(me).toMatchObject({ address: 'ana@localhost', admin: true });

    await page.goto(`${server.url}/admin`);
    await page.getByLabel('Name').fill('Bo Lindqvist');
    await page.getByLabel('Address').fill('bo@localhost');
    await page.getByLabel('Password, for signing in').fill('four old bicycles in a row');
    await page.getByRole('button', { name: 'Create the account' }).click();
    await expect(page.getByText('bo@localhost has an account now.')).toBeVisible();
    await expect(page.getByText('Nothing is owed to anybody.')).toBeVisible();
    await accessible(page);

    await page.goto(server.setup);
    await expect(page.getByRole('heading', { name: 'no longer valid' })).toBeVisible();
    await page.goto(`${server.url}/settings`);
    await page.getByRole('button', { name: 'Sign out' }).first().click();
    await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
    expect((await page.request.get(`${server.url}/v1/me`)).status()).toBe(401);

    await page.getByLabel('Address').fill('ana@localhost');
    await page.getByLabel('Password').fill('four old bicycles in a row');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect(page.getByRole('alert')).toContainText('do not belong together');
    await page.getByLabel('Password').fill('three old bicycles in a row');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect(page.getByText('Nothing here')).toBeVisible();
    expect(faults).toEqual([]);
  } finally {
    await server.remove();
  }
});

test('a session that is revoked elsewhere ends here, and its mail is gone from the page', async ({ page, ana, bo }) => {
  await bo.send({ to: [ana.address], subject: 'Confidential', text: 'For your eyes.' });
  await expect(page.getByRole('option', { name: 'Confidential' })).toBeVisible();
  const { items } = await ana.api<{ items: { id: string }[] }>('GET', '/v1/sessions');
  expect(items).toHaveLength(1);
  await ana.api('DELETE', `/v1/sessions/${items[0]?.id}`);
  await expect(page.getByText('Your session has ended')).toBeVisible({ timeout: 30_000 });
  await expect(page.getByText('Confidential')).toHaveCount(0);
  await accessible(page);
  await page.getByLabel('Address').fill(ana.address);
  await page.getByLabel('Password').fill(ana.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('option', { name: 'Confidential' })).toBeVisible();
});

test('settings: theme, tokens, forwarding and the password', async ({ page, ana, server }) => {
  await page.goto(`${server.url}/settings`);
  await page.getByLabel('Dark').check();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');

  const tokens = page.getByRole('region', { name: 'API tokens' });
  await tokens.getByLabel('Name').fill('backup');
  await tokens.getByRole('button', { name: 'Create a token' }).click();
  const token = await tokens.locator('code').textContent() ?? '';
  expect(token).toMatch(/^rst_/);
  const me = await (await fetch(`${server.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } })).json() as { scopes: string[] };
  expect(me.scopes.sort()).toEqual(['messages:read', 'messages:send']);
  await tokens.getByRole('button', { name: 'Revoke backup' }).click();
  await page.getByRole('dialog').or(page.getByRole('alertdialog')).getByRole('button', { name: 'Revoke' }).click();
  await expect(tokens.getByRole('button', { name: 'Revoke backup' })).toHaveCount(0);
  expect((await fetch(`${server.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(401);

  const forwarding = page.getByRole('region', { name: 'Forwarding' });
  await forwarding.getByLabel('Address').fill('ana@elsewhere.invalid');
  await forwarding.getByRole('button', { name: 'Add' }).click();
  await expect(forwarding.getByText('Waiting for confirmation')).toBeVisible();
  await expect(forwarding.getByText('A link is on its way to ana@elsewhere.invalid')).toBeVisible();
  await forwarding.getByRole('button', { name: 'Remove ana@elsewhere.invalid' }).click();
  await expect(forwarding.getByText('Nothing is forwarded.')).toBeVisible();

  const password = page.getByRole('region', { name: 'Password' });
  await password.getByLabel('Current password').fill('wrong');
  await password.getByLabel('New password').fill('five new bicycles in a row');
  await password.getByRole('button', { name: 'Change the password' }).click();
  await expect(password.getByRole('alert')).toBeVisible();
  await password.getByLabel('Current password').fill(ana.password);
  await password.getByLabel('New password').fill('five new bicycles in a row');
  await password.getByRole('button', { name: 'Change the password' }).click();
  await expect(page.getByText('The password is changed')).toBeVisible();
  const answer = await page.request.post(`${server.url}/v1/session`, { data: { address: ana.address, password: 'five new bicycles in a row' } });
  expect(answer.status()).toBe(200);
});
