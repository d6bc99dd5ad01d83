// First run, signing in and out, and what is kept under Settings.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { accessible, expect, test } from './fixtures.ts';
import { Server } from './server.ts';

const pictures = process.env.SCREENSHOTS ?? 'test-results/pictures';

test('the first administrator is made by the link, once', async ({ page, faults }, info) => {
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
    await page.getByRole('textbox', { name: 'Address' }).fill('bo@localhost');
    await page.getByLabel('Password, for signing in').fill('four old bicycles in a row');
    await page.getByRole('button', { name: 'Create the account' }).click();
    await expect(page.getByText('bo@localhost has an account now.')).toBeVisible();
    await expect(page.getByText('Nothing is owed to anybody.')).toBeVisible();
    const domains = page.getByRole('region', { name: 'Domains', exact: true });
    await domains.getByLabel('Domain', { exact: true }).fill('Example.NET');
    await domains.getByRole('button', { name: 'Add the domain' }).click();
    await expect(domains.getByText('example.net is one of ours now.')).toBeVisible();
    await expect(domains.getByText('restante._domainkey.example.net. TXT')).toBeVisible();
    // Somebody's message to a server that does not answer: held, released, taken back.
    await page.evaluate(() => fetch('/v1/messages', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ to: ['kim@elsewhere.invalid'], subject: 'Hello', text: 'Hello' }) }));
    const queue = page.getByRole('region', { name: 'Queue' });
    await expect(async () => {
      await queue.getByRole('button', { name: 'Look again' }).click();
      await expect(queue.getByText('Delayed')).toBeVisible({ timeout: 500 });
    }).toPass();
    await queue.getByRole('button', { name: 'Explain kim@elsewhere.invalid' }).click();
    await queue.getByRole('button', { name: 'Hold: kim@elsewhere.invalid' }).click();
    await expect(queue.getByText('It waits until it is released.')).toBeVisible();
    await queue.getByRole('button', { name: 'Release: kim@elsewhere.invalid' }).click();
    await expect(queue.getByText('It is tried again.')).toBeVisible();
    await expect(async () => {
      await queue.getByRole('button', { name: 'Take back: kim@elsewhere.invalid' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Take back' }).click();
      await expect(page.getByText('Nothing is owed to anybody.')).toBeVisible({ timeout: 1000 });
    }, 'unless it is being tried just then').toPass();
    const audit = page.getByRole('region', { name: 'Audit log' });
    await audit.getByRole('button', { name: 'Look again' }).click();
    for (const [did, what] of [['Took something back', ''], ['Held something back', ''], ['Added a domain', 'example.net'], ['Made an account', 'bo@localhost'], ['Signed in', '']] as const) await expect(audit.getByRole('listitem').filter({ hasText: did }).first()).toContainText(what);
    await audit.getByLabel('Show').selectOption('domain.added');
    await expect(audit.getByRole('listitem')).toHaveCount(1);
    await audit.getByLabel('Show').selectOption('');
    const size = page.viewportSize() ?? { width: 390, height: 844 };
    await page.setViewportSize({ ...size, height: 2400 });
    mkdirSync(pictures, { recursive: true });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await accessible(page);
      await page.screenshot({ path: join(pictures, `administration-${info.project.name}-${colorScheme}.png`) });
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(size);

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

test('settings: theme, tokens, forwarding with its hours, being away, mutes and the password', async ({ page, ana, server }) => {
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
  // A second address, with hours of its own.
  await forwarding.getByLabel('Address').fill('night@elsewhere.invalid');
  await forwarding.getByRole('button', { name: 'Add' }).click();
  const night = forwarding.getByRole('listitem').filter({ hasText: 'night@elsewhere.invalid' });
  await night.locator('summary').click();
  await night.getByRole('combobox', { name: 'When', exact: true }).selectOption('digest');
  await night.getByLabel('Time zone').selectOption('Europe/Lisbon');
  await night.getByLabel('Time 1').fill('18:30');
  await night.getByRole('button', { name: 'Add a time' }).click();
  await night.getByLabel('Time 2').fill('07:45');
  await night.getByLabel('Nothing is sent at night').check();
  await night.getByLabel('Until').fill('07:15');
  await night.getByRole('button', { name: 'Save the times' }).click();
  await expect(forwarding.getByText('Saved for night@elsewhere.invalid.')).toBeVisible();
  await accessible(page);
  const kept = await ana.api<{ items: object[] }>('GET', '/v1/forwarding');
  expect(kept.items[1]).toMatchObject({ when: 'digest', times: ['07:45', '18:30'], time_zone: 'Europe/Lisbon', quiet_hours: { from: '22:00', until: '07:15' } });
  expect(kept.items[0]).toMatchObject({ when: 'immediately', times: [], quiet_hours: null });
  await forwarding.getByRole('button', { name: 'Remove night@elsewhere.invalid' }).click();
  await forwarding.getByRole('button', { name: 'Remove ana@elsewhere.invalid' }).click();
  await expect(forwarding.getByText('Nothing is forwarded.')).toBeVisible();

  const away = page.getByRole('region', { name: 'Away' });
  await away.getByLabel('Text').fill('Back on Monday.');
  await away.getByLabel('From').fill('2031-01-02T08:00');
  await away.getByLabel('Until').fill('2031-01-01T08:00');
  await away.getByRole('button', { name: 'Answer for me' }).click();
  await expect(away.getByRole('alert')).toHaveText('The end is before the beginning.');
  await away.getByLabel('Until').fill('2031-01-20T08:00');
  await away.getByRole('button', { name: 'Answer for me' }).click();
  await expect(away.getByRole('status')).toContainText('Senders are answered from 2 Jan 2031');
  expect(await ana.api('GET', '/v1/me/vacation')).toMatchObject({ subject: null, text: 'Back on Monday.', until: '2031-01-20T07:00:00.000Z' });
  await away.getByRole('button', { name: 'Stop answering' }).click();
  await expect(away.getByRole('button', { name: 'Answer for me' })).toBeVisible();

  const muted = page.getByRole('region', { name: 'Muted' });
  await expect(muted.getByText('Nothing is muted.')).toBeVisible();
  await muted.getByLabel('Sender').fill('shop@elsewhere.invalid');
  await muted.getByRole('button', { name: 'Mute this sender' }).click();
  await muted.getByRole('button', { name: 'End muting shop@elsewhere.invalid' }).click();
  await expect(muted.getByText('Nothing is muted.')).toBeVisible();

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
