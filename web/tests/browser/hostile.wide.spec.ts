// A corpus of hostile messages through the real pipeline: the same on every screen, so seen on one.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { accessible, expect, open, test as base } from './fixtures.ts';
import { Server } from './server.ts';
import { vectors as corpus } from './vectors.ts';

// Pictures of this machine may be fetched, so that there is somebody to fetch them from.
const test = base.extend<object, { server: Server }>({
  // eslint-disable-next-line no-empty-pattern -- Playwright reads the names out of the pattern
  server: [async ({}, use) => {
    const server = await new Server({ RESTANTE_WEBHOOKS__PRIVATE_TARGETS: 'true' }).start();
    await use(server);
    await server.remove();
  }, { scope: 'worker' }],
});

test('every vector of a corpus runs nothing and calls nobody', async ({ page, ana, bo, server }) => {
  test.slow();
  const away: string[] = [];
  const read: string[] = [];
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (!request.url().startsWith(server.url) && !/^(?:data|blob|about):/.test(url.protocol)) away.push(request.url());
    if (request.resourceType() === 'image' && !url.pathname.startsWith('/v1/messages/') && url.protocol.startsWith('http')) read.push(request.url());
  });
  for (let at = 0; at < corpus.length; at += 20) {
    await Promise.all(corpus.slice(at, at + 20).map((html, n) => bo.send({ to: [ana.address], subject: `Vector ${at + n}.`, html: `<p>Begin</p>${html}` })));
  }
  await expect.poll(async () => (await ana.api<{ items: { role: string; total: number }[] }>('GET', '/v1/mailboxes')).items.find((each) => each.role === 'inbox')?.total, { timeout: 60_000 }).toBe(corpus.length);
  const threads = new Map<string, string>();
  for (let cursor = ''; ;) {
    const list = await ana.api<{ items: { thread_id: string; subject: string }[]; next_cursor: string | null }>('GET', `/v1/messages?mailbox=inbox&limit=200${cursor}`);
    for (const each of list.items) threads.set(each.subject, each.thread_id);
    if (list.next_cursor === null) break;
    cursor = `&cursor=${list.next_cursor}`;
  }
  // One after the other in one go: opened as a press on its row would, shown, and looked into two frames later.
  const found = await page.evaluate(async (all) => {
    const out: { subject: string; ran: boolean; active: string[] }[] = [];
    const frame = (): Promise<unknown> => new Promise((done) => requestAnimationFrame(done));
    for (const [subject, path] of all) {
      history.pushState(null, '', path);
      dispatchEvent(new PopStateEvent('popstate'));
      const shown = (): Document | null => (document.querySelector('h1[tabindex]')?.textContent === subject ? (document.querySelector('iframe')?.contentDocument ?? null) : null);
      for (let n = 0; n < 600 && shown()?.body?.textContent?.includes('Begin') !== true; n += 1) await frame();
      for (let n = 0; n < 3; n += 1) await frame();
      const inside = shown();
      const active = inside === null ? ['it was not shown'] : [...inside.body.querySelectorAll('*')].filter((each) =>
        /^(?:script|iframe|object|embed|form|input|button|link|meta|base|style|svg|math|video|audio|template)$/i.test(each.localName)
        || [...each.attributes].some(({ name, value }) => name.startsWith('on') || /^\s*(?:javascript|vbscript|data:text)/i.test(value))).map((each) => each.outerHTML.slice(0, 100));
      if ('ran' in window || active.length > 0) out.push({ subject, ran: 'ran' in window, active });
    }
    return out;
  }, corpus.map((_, n) => [`Vector ${n}.`, `/t/${threads.get(`Vector ${n}.`) ?? ''}`] as const));
  expect(found).toEqual([]);
  expect(away).toEqual([]);
  expect(read).toEqual([]);
});

test('pictures of other servers come when they are asked for, and tell nobody who asked', async ({ page, ana, bo }) => {
  const pixel = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
  const asked: [string, string[]][] = [];
  const elsewhere = createServer((request, answer) => {
    asked.push([request.url ?? '', Object.keys(request.headers).sort()]);
    answer.setHeader('content-type', 'image/png');
    answer.end(request.url === '/drawn' ? "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9' onload='top.ran=1'/>" : pixel);
  });
  await new Promise<void>((ready) => { elsewhere.listen(0, '127.0.0.1', ready); });
  try {
    const at = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    const sent = await bo.send({ to: [ana.address], subject: 'Chart', html: `<p>Begin</p><img alt="chart" src="${at}/chart?a=1&amp;b=2"><img alt="drawn" src="${at}/drawn"><img alt="set" srcset="${at}/set 1x">` });
    expect(sent.id).not.toBe('');
    await open(page, 'Chart');
    const frame = page.frameLocator('iframe');
    await expect(frame.getByText('Begin')).toBeVisible();
    await accessible(page);
    expect(asked).toEqual([]);
    await page.getByRole('button', { name: 'Show remote pictures' }).click();
    const width = (name: string): Promise<number> => frame.getByAltText(name).evaluate((each: HTMLImageElement) => (each.complete ? each.naturalWidth : -1));
    await expect.poll(() => width('chart')).toBe(1);
    await expect.poll(() => width('drawn'), 'a drawing may run, so it is none of what is shown').toBe(0);
    expect(asked.map(([path]) => path).sort()).toEqual(['/chart?a=1&b=2', '/drawn']);
    for (const [, headers] of asked) expect(headers).toEqual(['accept', 'content-length', 'host']);
    await accessible(page);
  } finally {
    elsewhere.close();
  }
});
