// A hostile message: nothing in it runs, and nothing in it makes the browser call anybody.
import { expect, open, test } from './fixtures.ts';

const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const evil = 'https://evil.invalid';
const vectors = `
<p>Dear Ana, <b>please read</b>.</p>
<script>window.ran=1;fetch('${evil}/script')</script><script src="${evil}/s.js"></script>
<img src="${evil}/img.png" onerror="top.ran=1" alt="remote"><img src=x onerror="parent.ran=1"><img srcset="${evil}/set.png 1x">
<img src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='top.ran=1'/>">
<svg onload="top.ran=1"><script>top.ran=1</script><image href="${evil}/svg.png"/><use href="${evil}/u.svg#a"/><animate onbegin="top.ran=1" attributeName="x" dur="1s"/></svg>
<math><mtext><table><mglyph><style><img src=x onerror="top.ran=1"></style></mglyph></table></mtext></math>
<noscript><p title="</noscript><img src=x onerror=top.ran=1>"></noscript>
<iframe src="${evil}/frame"></iframe><iframe srcdoc="<script>top.ran=1</script>"></iframe>
<object data="${evil}/o"></object><embed src="${evil}/e"><applet code="${evil}/a"></applet>
<video src="${evil}/v.mp4" poster="${evil}/poster.png" autoplay onloadstart="top.ran=1"></video><audio src="${evil}/a.mp3" autoplay></audio>
<link rel="stylesheet" href="${evil}/c.css"><link rel="prefetch" href="${evil}/p"><link rel="dns-prefetch" href="//evil.invalid">
<style>@import url(${evil}/i.css); body{background:url(${evil}/bg.png)} @font-face{font-family:f;src:url(${evil}/f.woff)} *{font-family:f}</style>
<div style="background-image:url(${evil}/style.png);position:fixed;inset:0;z-index:9999;opacity:0">over</div>
<div style="list-style:url(${evil}/ls.png);cursor:url(${evil}/cur.png),auto;content:url(${evil}/ct.png)">styled</div>
<table background="${evil}/tbg.png"><tr><td background="${evil}/td.png">cell</td></tr></table>
<meta http-equiv="refresh" content="0;url=${evil}/refresh"><base href="${evil}/">
<form action="${evil}/form" method="post"><input name="password" type="password" autofocus onfocus="top.ran=1"><button formaction="javascript:top.ran=1">Send</button></form>
<a href="javascript:top.ran=1" id="js">a link</a> <a href="jav&#x09;ascript:top.ran=1">another</a> <a href="data:text/html,<script>top.ran=1</script>">a third</a> <a href="vbscript:x">a fourth</a>
<a href="https://example.org/fine" ping="${evil}/ping" target="_top">a good link</a>
<details open ontoggle="top.ran=1"><summary>more</summary></details><marquee onstart="top.ran=1">m</marquee><body onload="top.ran=1"><select onfocus="top.ran=1" autofocus></select>
<input type="image" src="${evil}/image-input.png"><template><img src="${evil}/template.png" onerror="top.ran=1"></template>
<!--[if gte IE 4]><img src="${evil}/cc.png"><![endif]--><p id="main" name="getElementById">clobber</p><form name="trustedTypes"><input name="createPolicy"></form>
<img src="http://10.0.0.1/inside.png" alt="inside"><img src="/v1/session" alt="ours"><img src="/v1/me" alt="ours"><img src="cid:logo" alt="logo">`;

test('a hostile message runs nothing and calls nobody', async ({ page, ana, bo, server }) => {
  const away: string[] = [];
  const dialogs: string[] = [];
  await page.context().route('**/*', (route) => {
    if (route.request().url().startsWith(server.url)) return route.continue();
    away.push(route.request().url());
    return route.abort();
  });
  page.on('dialog', (dialog) => { dialogs.push(dialog.message()); void dialog.dismiss(); });
  const ours: string[] = [];
  page.on('request', (request) => { if (request.resourceType() === 'image') ours.push(new URL(request.url()).pathname); });

  await bo.send({
    to: [ana.address], subject: 'Prize <img src=x onerror=top.ran=1>', html: vectors, text: '<script>top.ran=1</script> javascript:top.ran=1 https://example.org/plain',
    attachments: [{ filename: 'logo.png', content_type: 'image/png', content: pixel, inline: true, content_id: 'logo' }],
  });
  await open(page, 'Prize');
  const frame = page.frameLocator('iframe');
  await expect(frame.getByText('please read')).toBeVisible();
  await expect(page.getByText('Pictures from other servers are hidden.')).toBeVisible();

  // The picture that came with the message is shown, so the frame is alive.
  const logo = frame.getByAltText('logo');
  await expect(logo).toHaveAttribute('src', /\/v1\/messages\/[\w-]+\/attachments\/\d+\?inline=1$/);
  await expect.poll(() => logo.evaluate((element) => (element as HTMLImageElement).naturalWidth)).toBe(1);

  const iframe = page.locator('iframe');
  await expect(iframe).toHaveAttribute('sandbox', 'allow-same-origin allow-popups allow-popups-to-escape-sandbox');
  const left = await frame.locator('body').evaluate((body) => {
    const all = [...body.querySelectorAll('*')];
    const names = (test: (element: Element) => boolean): string[] => all.filter(test).map((element) => element.outerHTML.slice(0, 120));
    return {
      active: names((element) => /^(?:script|iframe|object|embed|form|input|button|select|link|meta|base|style|svg|math|video|audio|template|applet)$/i.test(element.tagName)),
      handlers: names((element) => [...element.attributes].some((each) => /^on/i.test(each.name))),
      addresses: names((element) => [...element.attributes].some((each) => /^(?:href|src|action|formaction|ping|srcset|poster|background|data)$/i.test(each.name) && !/^(?:https:\/\/example\.org\/|\/v1\/messages\/)/.test(each.value))),
      styled: names((element) => /url\(|position\s*:\s*fixed/i.test(element.getAttribute('style') ?? '')),
      clobbers: names((element) => element.hasAttribute('id') || element.hasAttribute('name')),
    };
  });
  expect(left).toEqual({ active: [], handlers: [], addresses: [], styled: [], clobbers: [] });
  const good = frame.getByRole('link', { name: 'a good link' });
  await expect(good).toHaveAttribute('target', '_blank');
  await expect(good).toHaveAttribute('rel', /noopener/);
  await frame.getByText('a link', { exact: true }).click();

  // Asked for, they come by way of our server alone; what it cannot fetch is not shown.
  const fetched = page.waitForResponse((answer) => answer.url().endsWith('/remote?url=http%3A%2F%2F10.0.0.1%2Finside.png'));
  await page.getByRole('button', { name: 'Show remote pictures' }).click();
  expect((await fetched).status()).toBe(502);
  await expect(page.getByText('Pictures were fetched by your server.')).toBeVisible();

  await page.getByRole('button', { name: 'Show as plain text' }).click();
  await expect(page.getByRole('region', { name: 'Conversation' }).getByText('<script>top.ran=1</script>')).toBeVisible();
  await expect(page.getByRole('link', { name: 'https://example.org/plain' })).toBeVisible();
  expect(await page.evaluate(() => (window as unknown as { ran?: number }).ran)).toBeUndefined();
  expect(dialogs).toEqual([]);
  expect(away).toEqual([]);
  expect(ours.filter((path) => path.startsWith('/v1/') && !/^\/v1\/messages\/[\w-]+\/(?:attachments\/\d+|remote)$/.test(path))).toEqual([]);
  expect(page.url().startsWith(server.url)).toBe(true);
});

test('an attachment that is a page is downloaded, never opened', async ({ page, ana, bo }) => {
  const content = Buffer.from('<script>top.ran=1</script>').toString('base64');
  await bo.send({ to: [ana.address], subject: 'Page', text: 'Open it.', attachments: [{ filename: 'page.html', content_type: 'text/html', content }] });
  const { id } = await ana.received('Page');
  for (const path of [`/v1/messages/${id}/attachments/0`, `/v1/messages/${id}/attachments/0?inline=1`]) {
    const answer = await page.request.get(new URL(path, page.url()).href);
    expect(answer.headers()['content-disposition']).toMatch(/^attachment/);
    expect(answer.headers()['x-content-type-options']).toBe('nosniff');
    expect(answer.headers()['content-security-policy']).toContain('sandbox');
  }
});

test('the page is served with a policy that lets nothing else in', async ({ page, server }) => {
  const headers = (await page.request.get(server.url, { headers: { accept: 'text/html' } })).headers();
  const policy = headers['content-security-policy'] ?? '';
  for (const part of ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) expect(policy).toContain(part);
  expect(policy).not.toMatch(/script-src[^;]*unsafe/);
});
