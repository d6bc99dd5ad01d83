// Other languages: nothing is left in English, and nothing is cut off where sentences are longer.
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';
import { people, speak, subject } from './people.ts';
import { Server } from './server.ts';

/** What is shown, or said to screen readers, without the marks of the pseudo-language; and what does not fit in its place. */
const faultsOf = (page: Page): Promise<string[]> => page.evaluate(() => {
  const out: string[] = [];
  const bare = (text: string): string => {
    let rest = text;
    for (let before = ''; before !== rest;) { before = rest; rest = rest.replaceAll(/⟦[^⟦⟧]*⟧/g, ' '); }
    return rest.replaceAll(/\S+@\S+|https?:\/\/\S+|\b\d+ (?:min|h|s|kB|B)\b|\b(?:Chrome|Chromium|HeadlessChrome|Linux|Android|on|Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|English|Deutsch|PDF|TXT)\b/g, ' ');
  };
  const check = (text: string, where: Element): void => { if (/[A-Za-z]{3,}/.test(bare(text))) out.push(`plain: ${text.trim().slice(0, 60)} (${where.tagName.toLowerCase()}.${where.className.toString()})`); };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
    const element = node.parentElement;
    if (element === null || !element.checkVisibility() || element.closest('kbd, time, script, style, noscript, code, svg') !== null) continue;
    check(node.textContent ?? '', element);
  }
  for (const element of document.querySelectorAll('[aria-label], [title], [placeholder]')) {
    if (!element.checkVisibility() || element.closest('time') !== null) continue;
    for (const name of ['aria-label', 'title', 'placeholder']) check(element.getAttribute(name) ?? '', element);
  }
  if (document.documentElement.scrollWidth > innerWidth + 1) out.push(`the page is ${document.documentElement.scrollWidth} wide`);
  for (const element of document.querySelectorAll<HTMLElement>('button, a, label, legend, h1, h2, h3, .pill, dt, small, summary')) {
    const box = element.getBoundingClientRect();
    if (!element.checkVisibility() || box.width < 2 || element.closest('.sr, .skip, .ell') !== null || element.querySelector('.ell') !== null) continue;
    let scrolls = false;
    for (let above = element.parentElement; above !== null; above = above.parentElement) if (/auto|scroll/.test(getComputedStyle(above).overflowX) && above.scrollWidth > above.clientWidth + 1) scrolls = true;
    const style = getComputedStyle(element);
    const name = `${element.tagName.toLowerCase()}.${element.className.toString()} “${(element.innerText || element.getAttribute('aria-label') || '').slice(0, 40)}”`;
    if (!scrolls && (box.right > innerWidth + 1 || box.left < -1)) out.push(`outside: ${name}`);
    if (style.display !== 'inline' && style.textOverflow !== 'ellipsis' && element.scrollWidth > element.clientWidth + 2 && element.clientWidth > 0 && /hidden|clip/.test(style.overflowX)) out.push(`cut off: ${name}`);
  }
  return [...new Set(out)];
});

test('every sentence can be translated, and longer ones fit', async ({ page }, info) => {
  test.slow(); // thirty views
  // A server of its own: the administration lists the names of whoever has an account.
  const server = await new Server().start();
  try {
    const phone = info.project.name === 'phone';
    const { reader, writer } = people(server);
    await speak(page, 'en-XA');
    await page.goto(server.url);
    await expect(page.getByRole('heading', { level: 1 })).toContainText('⟦');
    const fits = async (where: string): Promise<void> => expect.soft(await faultsOf(page), where).toEqual([]);
    await fits('sign in');
    await reader.signIn(page);
    await page.goto(server.url);
    await fits('empty list');
    await writer.send({ to: [reader.address], subject, text: 'עכשיו.', ask: { kind: 'choice', deadline: 'PT3H', options: [{ name: 'yes', title: 'כן' }, { name: 'no', title: 'לא' }] } });
    await reader.received(subject);
    await expect(page.getByRole('option')).toHaveCount(1);
    await fits('list');
    await reader.send({ to: [writer.address, 'kim@elsewhere.invalid'], subject: 'Письмо', text: 'Привет' });
    await page.getByRole('option').click();
    await expect(page.locator('[data-card=open]')).toBeVisible();
    await fits('question');
    await page.goto(`${server.url}/m/sent`);
    await page.getByRole('option').click();
    await page.locator('details.dlv summary').click();
    await expect(page.locator('.dlv ol li').first()).toBeVisible();
    await fits('delivery');
    for (const path of ['/asked', '/waiting', '/drafts', '/m/trash', '/settings', '/admin', '/nowhere/at/all']) {
      await page.goto(server.url + path);
      await expect(page.getByRole('heading').first()).toContainText('⟦');
      // What these pages fetch is there.
      if (path === '/settings') await expect(page.locator('.pill.ok').first()).toBeAttached();
      if (path === '/admin') await expect(page.locator('li').first()).toBeAttached();
      await fits(path);
    }
    await page.goto(server.url);
    await expect(page.getByRole('option')).toHaveCount(1);
    if (phone) { await page.locator('.fab').click(); } else {
      await page.getByRole('listbox').focus();
      for (const key of ['?', 'Control+k', 'h', 'l', 'v']) {
        await page.keyboard.press(key);
        await expect(page.getByRole('dialog')).toBeVisible();
        await fits(key);
        await page.keyboard.press('Escape');
        await expect(page.getByRole('dialog')).toHaveCount(0);
        await page.getByRole('listbox').focus();
      }
      await page.keyboard.press('x');
      await expect(page.locator('.bulk')).toBeVisible();
      await fits('choosing');
      await page.keyboard.press('Escape');
      await page.keyboard.press('c');
    }
    await expect(page.locator('form.composer')).toBeVisible();
    await fits('composer');
  } finally {
    await server.remove();
  }
});
