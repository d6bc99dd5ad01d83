// A second language, text that runs from right to left, colours and motion as the device wants them, and a very wide window.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { accessible, expect, test } from './fixtures.ts';
import { noa, people, subject } from './people.ts';

const pictures = process.env.SCREENSHOTS ?? 'test-results/pictures';

test('German, by the browser’s language and by choice', async ({ browser, page, ana, bo }, info) => {
  await bo.send({ to: [ana.address], subject: 'Hafen', text: 'Die Mauern sind gestrichen.' });
  await ana.received('Hafen');
  const context = await browser.newContext({ ...info.project.use, locale: 'de-AT', storageState: await page.context().storageState() });
  const german = await context.newPage();
  try {
    await german.goto(page.url());
    await expect(german.locator('html')).toHaveAttribute('lang', 'de');
    await german.getByRole('option', { name: 'Hafen' }).click();
    await expect(german.getByRole('button', { name: 'Bo Lindqvist antworten' })).toBeVisible();
    await accessible(german);
    await german.goto(new URL('/settings', page.url()).href);
    await german.getByLabel('Sprache').selectOption('en');
    await expect(german.getByRole('heading', { name: 'Settings' })).toBeVisible();
    await german.getByLabel('Language').selectOption('de');
    await expect(german.getByRole('heading', { name: 'Einstellungen' })).toBeVisible();
    // The choice is the account's: whoever signs in somewhere else is spoken to in German too.
    const other = await browser.newContext({ ...info.project.use, locale: 'en-GB' });
    const door = await other.newPage();
    await door.goto(new URL('/', page.url()).href);
    await door.getByLabel('Address').fill(ana.address);
    await door.getByLabel('Password').fill(ana.password);
    await door.getByRole('button', { name: 'Sign in' }).click();
    await expect(door.getByRole('button', { name: 'Schreiben' })).toBeVisible();
    await expect(door.locator('html')).toHaveAttribute('lang', 'de');
    await other.close();
  } finally {
    await context.close();
  }
});

test('text from right to left stays in its place', async ({ page, server }) => {
  const { reader, writer } = people(server);
  await writer.send({ to: [reader.address], subject, text: 'עכשיו, בבקשה.' });
  await reader.received(subject);
  await reader.signIn(page);
  await page.goto(server.url);
  const row = page.getByRole('option');
  await expect(row).toHaveCount(1);
  const side = (selector: string): Promise<string> => page.locator(selector).first().evaluate((element) => getComputedStyle(element).direction);
  expect(await side('[role=option] .s')).toBe('rtl');
  expect(await side('[role=option] b')).toBe('rtl');
  expect(await side('[role=option]')).toBe('ltr');
  await row.click();
  await expect(page.getByRole('heading', { level: 1, name: subject })).toBeVisible();
  expect(await side('h1[tabindex]')).toBe('rtl');
  // A name within a sentence of ours is fenced in.
  await expect(page.getByRole('button', { name: `Reply to \u2068${noa}\u2069` })).toBeVisible();
});

test('colours that are forced, and motion that is not wanted', async ({ page, ana, bo }) => {
  await page.emulateMedia({ forcedColors: 'active', reducedMotion: 'reduce' });
  await bo.send({ to: [ana.address], subject: 'Harbour', text: 'Painted.', ask: { kind: 'choice', options: [{ name: 'yes', title: 'Yes' }, { name: 'no', title: 'No' }] } });
  await page.getByRole('option', { name: 'Harbour' }).click();
  await expect(page.getByRole('button', { name: 'Yes' })).toBeVisible();
  // What is chosen is told by more than its colour, and every button has an edge.
  const edges = await page.evaluate(() => [...document.querySelectorAll('button')].filter((each) => each.checkVisibility()).filter((each) => getComputedStyle(each).borderTopStyle === 'none').map((each) => each.className));
  expect(edges).toEqual([]);
  expect(await page.evaluate(() => [...document.querySelectorAll('*')].filter((each) => parseFloat(getComputedStyle(each).transitionDuration) > 0.001 || parseFloat(getComputedStyle(each).animationDuration) > 0.001).length)).toBe(0);
  await accessible(page);
});

test('a window of 2560 pixels keeps its lines short', async ({ page, ana, bo }) => {
  await page.setViewportSize({ width: 2560, height: 1440 });
  await bo.send({ to: [ana.address], subject: 'Harbour', text: 'The walls are painted and the boats are back in the water. '.repeat(40) });
  await page.getByRole('option', { name: 'Harbour' }).click();
  const text = page.locator('.msg .body').getByText('The walls are painted').first();
  await expect(text).toBeVisible();
  expect((await text.boundingBox())?.width ?? Infinity).toBeLessThanOrEqual(760);
  const list = await page.getByRole('region', { name: 'Inbox' }).boundingBox();
  expect(list?.width ?? Infinity).toBeLessThanOrEqual(560);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(2560);
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, 'wide-window-desktop-light.png') });
  await accessible(page);
});
