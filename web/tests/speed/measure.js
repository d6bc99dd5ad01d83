// How fast the list is with 100,000 messages, measured in Chromium against answers made here: no server, so that only the page is
// measured. Printed, not judged.   node tests/speed/measure.js [rows]
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from '@playwright/test';
const COUNT = Number(process.argv[2] ?? 100_000);
const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const media = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.webmanifest': 'application/manifest+json' };
const START = Date.parse('2026-11-23T12:00:00Z');
const me = { name: 'Ana Okafor', address: 'ana@example.org' };
function message(n) {
  const from = { name: `Person ${n % 700}`, address: `person${n % 700}@example.net` };
  return {
    id: `m${n}`, thread_id: `t${n}`, message_id: `<${n}@example.net>`, mailbox: 'inbox', mailbox_id: 'b0', direction: 'in', from, to: [me], cc: [], subject: `Letter ${n} about the harbour walls`,
    preview: 'Dear Ana, the walls are painted and the boats are back in the water since Thursday.', received_at: new Date(START - n * 61_000).toISOString(), sent_at: null, size: 2000,
    seen: n % 3 > 0, flagged: n % 41 === 0, has_attachment: n % 17 === 0, keywords: [], snoozed_until: null, state: null, delivery: null, ask: null,
  };
}
const thread = (n) => ({
  id: `t${n}`, subject: `Letter ${n} about the harbour walls`, message_count: 1, unread_count: n % 3 > 0 ? 0 : 1, flagged: n % 41 === 0, has_attachment: n % 17 === 0,
  participants: [{ ...message(n).from, me: false }], latest: message(n), waiting: null,
});
function api(path, query, request, answer) {
  const json = (body) => { answer.writeHead(200, { 'content-type': 'application/json' }); answer.end(JSON.stringify(body)); };
  const none = { items: [], next_cursor: null };
  if (path === '/v1/me')
    json({ id: 'a', address: me.address, addresses: [me.address], name: me.name, kind: 'person', admin: false, scopes: [], domain: 'example.org', limits: { message_bytes: 1e7, recipients: 100 } });
  else if (path === '/v1/mailboxes')
    json({ items: [{ id: 'b0', name: 'Inbox', role: 'inbox', total: COUNT, unread: 1 }, { id: 'b1', name: 'Archive', role: 'archive', total: 0, unread: 0 }], next_cursor: null });
  else if (path === '/v1/threads' && query.get('keyword') === null && query.get('mailbox') === 'inbox') {
    const from = Number(query.get('cursor') ?? 0);
    const to = Math.min(COUNT, from + Number(query.get('limit') ?? 50));
    json({ items: Array.from({ length: to - from }, (_, n) => thread(from + n)), next_cursor: to < COUNT ? String(to) : null, as_of: '1' });
  }
  else if (path.startsWith('/v1/threads/t')) {
    const n = Number(path.slice(13));
    json({ ...thread(n), messages: [message(n)] });
  }
  else if (path.startsWith('/v1/messages/m')) {
    const n = Number(path.slice(14));
    json({ ...message(n), mailboxes: ['inbox'], bcc: [], reply_to: [], in_reply_to: null, references: [], headers: [], text: 'Dear Ana,\n\nthe walls are painted.', html_safe: null, reply_text: null, reply_confidence: null, attachments: [], ask: null });
  }
  else if (path === '/v1/messages' && request.method === 'PATCH') {
    request.resume();
    json({ updated: 1, ids: [], next_cursor: null });
  }
  else if (path === '/v1/events/stream') {
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    answer.write(': here\n\n');
  }
  else
    json(none);
}
const server = createServer((request, answer) => {
  const url = new URL(request.url ?? '/', 'http://x');
  if (url.pathname === '/nothing') {
    answer.writeHead(200, { 'content-type': 'text/html' });
    answer.end('<!doctype html><title>Nothing</title><p role=option>One row');
    return;
  }
  if (url.pathname.startsWith('/v1/')) {
    api(url.pathname, url.searchParams, request, answer);
    return;
  }
  const file = join(dist, url.pathname === '/' || !existsSync(join(dist, url.pathname)) || !statSync(join(dist, url.pathname)).isFile() ? 'index.html' : url.pathname);
  answer.writeHead(200, { 'content-type': media[extname(file)] ?? 'application/octet-stream' });
  createReadStream(file).pipe(answer);
});
const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? NaN;
const high = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length * 0.95)] ?? NaN;
const print = (name, value, unit) => { process.stdout.write(`${name.padEnd(58)} ${typeof value === 'number' ? value.toFixed(1) : value} ${unit}\n`); };
/** Milliseconds from a key going down until the frame that shows what it did; and of its own work on the main thread. */
async function keys(page, key, times) {
  const frame = [];
  const work = [];
  for (let n = 0; n < times; n += 1) {
    const one = await page.evaluate(async (pressed) => {
      const target = document.activeElement ?? document.body;
      const start = performance.now();
      target.dispatchEvent(new KeyboardEvent('keydown', { key: pressed, bubbles: true, cancelable: true }));
      await Promise.resolve();
      const worked = performance.now() - start;
      await new Promise((done) => requestAnimationFrame(() => { const channel = new MessageChannel(); channel.port1.onmessage = () => done(); channel.port2.postMessage(null); }));
      return [performance.now() - start, worked];
    }, key);
    frame.push(one[0]);
    work.push(one[1]);
    await page.waitForTimeout(20);
  }
  return { frame, work };
}
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const url = `http://127.0.0.1:${server.address().port}`;
const executablePath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path));
const browser = await chromium.launch({ ...(executablePath === undefined ? {} : { executablePath }), args: ['--no-sandbox'] });
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
let page = await context.newPage();
try {
  let rows = page.locator('[role=option]');
  const firstRow = () => page.evaluate(() => new Promise((done) => {
    const look = () => { if (document.querySelector('[role=option]') !== null)
      done(performance.now());
    else
      requestAnimationFrame(look); };
    look();
  }));
  /** Until the page is loaded and has nothing more to do. */
  const quiet = () => page.evaluate(() => new Promise((done) => {
    const idle = () => requestIdleCallback(() => done());
    if (document.readyState === 'complete')
      idle();
    else
      addEventListener('load', idle, { once: true });
  }));
  // What this browser on this machine takes at this time for a page of one line, and for a key that does nothing.
  await page.goto(`${url}/nothing`);
  const bare = [];
  for (let n = 0; n < 7; n += 1) {
    await page.reload({ waitUntil: 'commit' });
    bare.push(await firstRow());
    await quiet();
  }
  print('for comparison: a page of one line (median of 7)', median(bare), 'ms');
  const idle = await keys(page, 'j', 60);
  print('for comparison: a key on it (median, 95 of 100)', `${median(idle.frame).toFixed(1)}, ${high(idle.frame).toFixed(1)}`, 'ms');
  await page.goto(url, { waitUntil: 'commit' });
  print('first rows, nothing kept here yet', await firstRow(), 'ms');
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.waitForFunction(async () => {
    const [found] = await indexedDB.databases();
    return found !== undefined;
  });
  await page.waitForTimeout(4000); // the copy fills by itself
  const again = [];
  for (let n = 0; n < 7; n += 1) {
    await page.reload({ waitUntil: 'commit' });
    again.push(await firstRow());
    await page.waitForTimeout(300);
  }
  print('first rows from the copy (median of 7)', median(again), 'ms');
  // As when the app is opened: in a window of its own, not over the page that was there before.
  const opened = [];
  for (let n = 0; n < 5; n += 1) {
    await page.close();
    page = await context.newPage();
    rows = page.locator('[role=option]');
    await page.goto(url, { waitUntil: 'commit' });
    opened.push(await firstRow());
    await page.getByText('Up to date').first().waitFor({ state: 'attached' });
    await quiet();
  }
  print('first rows from the copy, in a new window (median of 5)', median(opened), 'ms');
  await context.setOffline(true);
  await page.reload({ waitUntil: 'commit' });
  print('first rows from the copy, offline', await firstRow(), 'ms');
  await context.setOffline(false);
  await page.reload();
  await rows.first().waitFor();
  const began = Date.now();
  await page.getByRole('listbox').focus();
  for (;;) {
    const at = await page.evaluate(async () => {
      const list = document.querySelector('#messages');
      for (let n = 0; n < 40; n += 1) {
        list.scrollTop = list.scrollHeight;
        await new Promise((done) => setTimeout(done, 8));
      }
      return Number(document.querySelector('[role=option]:last-of-type')?.getAttribute('aria-posinset') ?? 0);
    });
    const size = await rows.last().getAttribute('aria-setsize');
    if (size !== '-1' && at > COUNT - 100)
      break;
    if (Date.now() - began > 600_000) {
      print('gave up loading at row', at, '');
      break;
    }
  }
  print(`scrolling through all ${COUNT} rows, page by page`, (Date.now() - began) / 1000, 's');
  print('rows in the document', await rows.count(), '');
  await page.evaluate(() => { const list = document.querySelector('#messages'); list.scrollTop = list.scrollHeight / 2; });
  await page.waitForTimeout(300);
  const down = await keys(page, 'j', 60);
  print('key to frame, j (median, 95 of 100)', `${median(down.frame).toFixed(1)}, ${high(down.frame).toFixed(1)}`, 'ms');
  print('  of that on the main thread before the frame', median(down.work), 'ms');
  const archive = await keys(page, 'e', 20);
  print('key to frame, e: archive (median, 95 of 100)', `${median(archive.frame).toFixed(1)}, ${high(archive.frame).toFixed(1)}`, 'ms');
  print('  of that on the main thread before the frame', median(archive.work), 'ms');
  const choose = await keys(page, 'x', 20);
  print('key to frame, x: choose (median)', median(choose.frame), 'ms');
  print('  of that on the main thread before the frame', median(choose.work), 'ms');
  const blank = await page.evaluate(async () => {
    const list = document.querySelector('#messages');
    let frames = 0;
    let empty = 0;
    const times = [];
    let last = performance.now();
    for (let n = 0; n < 240; n += 1) {
      list.scrollTop += 220;
      await new Promise((done) => requestAnimationFrame(() => done()));
      const box = list.getBoundingClientRect();
      for (const y of [box.top + 60, box.top + box.height / 2, box.bottom - 60])
        if (document.elementFromPoint(box.left + 150, y)?.closest('[role=option], .grp') === null)
          empty += 1;
      frames += 1;
      const now = performance.now();
      times.push(now - last);
      last = now;
    }
    return { frames, empty, slow: times.filter((ms) => ms > 34).length };
  });
  print('frames while scrolling 220 px each; blank places; slow frames', `${blank.frames}; ${blank.empty}; ${blank.slow}`, '');
}
finally {
  await browser.close();
  server.close();
  server.closeAllConnections();
}
