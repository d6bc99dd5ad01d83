// A corpus of hostile messages through the real pipeline: the same on every screen, so seen on one.
import { expect, test } from './fixtures.ts';
import { vectors as corpus } from './vectors.ts';

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
