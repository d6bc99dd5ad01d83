// The second wall before the frame: DOMPurify over what the server has cleaned already (the frame's sandbox and its own policy are the
// third and fourth). What leaves here goes into the frame as it is: nothing touches it after this.
import DOMPurify, { type Config } from 'dompurify';
import { writing } from '../../texts/writing.ts';

const config: Config = {
  USE_PROFILES: { html: true },
  FORBID_TAGS: ['style', 'link', 'meta', 'base', 'form', 'input', 'button', 'textarea', 'select', 'option', 'iframe', 'object', 'embed', 'video', 'audio', 'source', 'track', 'picture', 'dialog', 'template', 'slot'],
  FORBID_ATTR: ['id', 'name', 'srcset', 'ping', 'background', 'poster', 'action', 'formaction', 'is', 'slot', 'autofocus', 'contenteditable', 'popover', 'tabindex', 'accesskey'],
  ADD_ATTR: ['data-src'], // where the server has put the addresses of pictures that come from elsewhere
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:|data:image\/(?:png|gif|jpeg|webp);|\/v1\/messages\/[\w-]+\/attachments\/\d+\?inline=1$)/i,
};

/** Where pictures from elsewhere are fetched for the message that is being cleaned; null while its reader has not asked for them. */
let fetching: string | null = null;

DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A' || node.tagName === 'AREA') {
    node.setAttribute('target', '_blank');
    node.setAttribute('rel', 'noopener noreferrer nofollow');
  }
  if (node.tagName === 'IMG') {
    // Pictures come with the message, or from elsewhere by way of our server, or not at all.
    const held = node.getAttribute('data-src');
    node.removeAttribute('data-src');
    if (!/^(?:data:image\/|\/v1\/messages\/)/i.test(node.getAttribute('src') ?? '')) node.removeAttribute('src');
    if (held !== null && fetching !== null) node.setAttribute('src', `${fetching}?url=${encodeURIComponent(held)}`);
    if (!node.hasAttribute('alt')) node.setAttribute('alt', '');
  }
});

/** The whole document of a frame for a message. `id` is the message's, `origin` ours: attachments of this message alone may be shown,
 *  and with `remote` what our server fetches for it. */
function page(html: string, id: string, origin: string, remote: boolean): string {
  const message = `${origin}/v1/messages/${encodeURIComponent(id)}`;
  const pictures = `${message}/attachments/${remote ? ` ${message}/remote` : ''}`;
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src data: ${pictures}; form-action 'none'; base-uri 'none'`;
  const look = 'html{color-scheme:light;background:#fff}body{margin:0;padding:16px;font:16px/24px "Source Sans 3",system-ui,sans-serif;color:#161a21;overflow-wrap:anywhere}'
    + 'img{max-width:100%;height:auto}img:not([src]){display:none}table{max-width:100%}pre{white-space:pre-wrap}a{color:#2340b8}blockquote{margin:8px 0 8px 4px;padding-left:12px;border-left:2px solid #d5dae2;color:#454d5b}';
  return `<!doctype html><html lang="${document.documentElement.lang}"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><meta name="referrer" content="no-referrer"><title>${writing.body}</title><style>${look}</style></head><body dir="auto">${cleaned(html, remote ? `${message}/remote` : null)}</body></html>`;
}

function cleaned(html: string, from: string | null): string {
  fetching = from;
  try { return DOMPurify.sanitize(html, config); } finally { fetching = null; }
}

// Under `require-trusted-types-for` only a policy may make the document. This one can make nothing but a cleaned message: its input is
// an id, the hostile text, and whether pictures from elsewhere are wanted. It bears DOMPurify's name because the page's policy admits that one twice.
interface Maker { createHTML(input: string): string }
const factory = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: Maker): Maker } }).trustedTypes;
const rules: Maker = { createHTML: (input) => { const [id, html, remote] = JSON.parse(input) as [string, string, boolean]; return page(html, id, location.origin, remote); } };
const maker = factory === undefined ? rules : factory.createPolicy('dompurify', rules);

/** The document to show in the frame, as `srcdoc` takes it. `input` is a message's id, its text, and whether to show pictures from elsewhere, as JSON. */
export const frameDocument = (input: string): string => maker.createHTML(input);

/** Whether the server took pictures from other places out of a message. */
export const hidesPictures = (html: string): boolean => /<img\b[^>]*\sdata-src\s*=/i.test(html);
