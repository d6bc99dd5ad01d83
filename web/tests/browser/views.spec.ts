// Every view with the demo's data: no finding of axe in light and dark, and a picture of each to look at.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { accessible, expect, test as base } from './fixtures.ts';
import { Server } from './server.ts';

const pictures = process.env.SCREENSHOTS ?? 'test-results/pictures';

interface Demo { server: Server; password: string; fresh: string }

const test = base.extend<object, { demo: Demo }>({
  // eslint-disable-next-line no-empty-pattern -- Playwright reads the names out of the pattern
  demo: [async ({}, use) => {
    const server = new Server();
    const password = /password (\S+)$/.exec(server.run(['demo']))?.[1] ?? '';
    await server.start();
    await use({ server, password, fresh: server.setup });
    await server.remove();
  }, { scope: 'worker' }],
});

async function enter(page: Page, { server, password }: Demo, who = 'ana'): Promise<void> {
  const answer = await page.context().request.post(`${server.url}/v1/session`, { data: { address: `${who}@localhost`, password } });
  expect(answer.status()).toBe(200);
}

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme });

    const view = (name: string, body: (page: Page, demo: Demo, phone: boolean) => Promise<void>): void => {
      test(name, async ({ page, demo }, info) => {
        const phone = info.project.name === 'phone';
        await body(page, demo, phone);
        mkdirSync(pictures, { recursive: true });
        await page.evaluate(() => document.fonts.ready);
        await page.screenshot({ path: join(pictures, `${name.replaceAll(' ', '-')}-${info.project.name}-${theme}.png`) });
        await accessible(page);
      });
    };

    view('sign in', async (page, { server }) => {
      await page.goto(server.url);
      await page.getByLabel('Address').fill('ana@localhost');
      await page.getByLabel('Password').fill('wrong');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await expect(page.getByRole('alert')).toContainText('do not belong together');
    });
    view('set up', async (page, { fresh }) => {
      await page.goto(fresh);
      await expect(page.getByLabel('Your name')).toBeVisible();
    });
    view('set up with a bad link', async (page, { server }) => {
      await page.goto(`${server.url}/setup?token=nothing`);
      await expect(page.getByRole('heading', { name: 'no longer valid' })).toBeVisible();
    });
    view('confirm with a bad link', async (page, { server }) => {
      await page.goto(`${server.url}/confirm?token=nothing`);
      await expect(page.getByRole('heading', { name: 'no longer valid' })).toBeVisible();
    });
    view('no such page', async (page, { server }) => {
      await page.goto(`${server.url}/nowhere/at/all`);
      await expect(page.getByRole('heading', { name: 'There is no such page' })).toBeVisible();
    });
    view('list', async (page, demo) => {
      await enter(page, demo);
      await page.goto(demo.server.url);
      await expect(page.getByRole('option', { name: 'Deploy build 4821' })).toBeVisible();
      await expect(page.getByRole('option').first()).toContainText('Deploy build 4821');
    });
    view('question', async (page, demo) => {
      await enter(page, demo);
      await page.goto(demo.server.url);
      await page.getByRole('option', { name: 'Deploy build 4821' }).click();
      await expect(page.getByRole('button', { name: 'Approve' })).toBeVisible();
    });
    view('conversation', async (page, demo) => {
      await enter(page, demo);
      await page.goto(demo.server.url);
      await page.getByRole('option', { name: 'Lunch on Thursday?' }).click();
      await expect(page.getByText('Count me in')).toBeVisible();
      await expect(page.getByText('Delivered to both')).toBeVisible();
    });
    view('designed message', async (page, demo) => {
      await enter(page, demo);
      await page.goto(demo.server.url);
      await page.getByRole('option', { name: 'Nightly build' }).click();
      await expect(page.frameLocator('iframe').getByRole('cell', { name: '310' })).toBeVisible();
    });
    view('attachment', async (page, demo) => {
      await enter(page, demo);
      await page.goto(demo.server.url);
      await page.getByRole('option', { name: 'migration plan' }).click();
      await expect(page.getByRole('link', { name: 'migration-plan.txt' })).toBeVisible();
    });
    view('delayed', async (page, demo) => {
      await enter(page, demo);
      await page.goto(`${demo.server.url}/m/sent`);
      await page.getByRole('option', { name: 'Invoice 2291' }).click();
      await page.locator('details.dlv summary').click();
      await expect(page.getByRole('button', { name: 'Try now' })).toBeVisible();
    });
    view('reply', async (page, demo) => {
      await enter(page, demo);
      await page.goto(demo.server.url);
      await page.getByRole('option', { name: 'Lunch on Thursday?' }).click();
      await page.getByRole('button', { name: /^Reply to / }).first().click();
      await expect(page.getByRole('textbox', { name: 'Message', exact: true })).toBeFocused();
    });
    view('new message', async (page, demo) => {
      await enter(page, demo);
      await page.goto(demo.server.url);
      await expect(page.getByRole('option').first()).toBeVisible();
      await page.getByRole('button', { name: 'Write' }).click();
      await page.getByLabel('To', { exact: true }).fill('bo@localhost,');
      await page.getByRole('textbox', { name: 'Subject' }).fill('Minutes of the meeting');
      await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Hello Bo,\n\nhere they are.');
      await page.locator('input[type=file]').setInputFiles({ name: 'minutes.txt', mimeType: 'text/plain', buffer: Buffer.from('1. Nothing\n') });
      await expect(page.getByRole('button', { name: 'Remove minutes.txt' })).toBeVisible();
    });
    view('waiting on you', async (page, demo) => {
      await enter(page, demo);
      await page.goto(`${demo.server.url}/asked`);
      await expect(page.getByRole('option', { name: 'Deploy build 4821' })).toBeVisible();
    });
    view('waiting on others', async (page, demo) => {
      await enter(page, demo);
      await page.goto(`${demo.server.url}/waiting`);
      await expect(page.getByText('You are waiting for nobody')).toBeVisible();
    });
    view('empty', async (page, demo) => {
      await enter(page, demo, 'bo');
      await page.goto(`${demo.server.url}/m/archive`);
      await expect(page.getByText('Nothing here')).toBeVisible();
    });
    view('settings', async (page, demo) => {
      await enter(page, demo);
      await page.goto(`${demo.server.url}/settings`);
      await expect(page.getByText('This browser')).toBeAttached();
      await page.setViewportSize({ width: page.viewportSize()?.width ?? 390, height: 2400 });
    });
    view('selecting', async (page, demo) => {
      await enter(page, demo);
      await page.goto(demo.server.url);
      await expect(page.getByRole('option').first()).toBeVisible();
      await page.getByRole('listbox').focus();
      for (const key of ['x', 'j', 'x']) await page.keyboard.press(key);
      await expect(page.getByText('2 selected')).toBeVisible();
    });
    view('menu or keys', async (page, demo, phone) => {
      await enter(page, demo);
      await page.goto(demo.server.url);
      await expect(page.getByRole('option').first()).toBeVisible();
      if (phone) await page.getByRole('button', { name: 'Open menu' }).click();
      else await page.keyboard.press('?');
      await expect(page.getByRole('dialog')).toBeVisible();
    });
  });
}
