// Finding the links of a plain text. The result is data; views make text nodes and elements of it, never markup.

/** A stretch of text, with where it leads if it is a link. */
export interface Piece { text: string; href: string | null }

// One pass without nested repetition: a long text costs linear time.
const candidate = /\bhttps?:\/\/[^\s<>"'`\p{C}]{1,2000}|\bwww\.[^\s<>"'`\p{C}]{1,2000}|[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9][a-z0-9-]{0,62}(?:\.[a-z0-9-]{1,63}){1,8}/giu;
const trailing = new Set(['.', ',', ';', ':', '!', '?', '*', '_', '~', '…']);

function count(text: string, sign: string): number {
  let n = 0;
  for (const each of text) if (each === sign) n += 1;
  return n;
}

/** Cuts what closes the sentence, not the link: full stops, and brackets that the link did not open. */
function trimmed(text: string): string {
  let end = text.length;
  for (;;) {
    const last = text.charAt(end - 1);
    const rest = text.slice(0, end);
    if (trailing.has(last)) end -= 1;
    else if (last === ')' && count(rest, ')') > count(rest, '(')) end -= 1;
    else if (last === ']' && count(rest, ']') > count(rest, '[')) end -= 1;
    else return rest;
  }
}

function target(text: string): string | null {
  const address = !/^https?:|^www\./i.test(text);
  if (address) return `mailto:${encodeURIComponent(text).replaceAll('%40', '@')}`;
  try {
    const url = new URL(/^www\./i.test(text) ? `https://${text}` : text);
    return (url.protocol === 'https:' || url.protocol === 'http:') && url.username === '' ? url.href : null;
  } catch {
    return null;
  }
}

/** Splits a text into stretches and links (http, https, www. and addresses). The texts joined are the input again. */
export function links(text: string): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(candidate)) {
    const found = trimmed(match[0]);
    const href = target(found);
    if (href === null) continue;
    if (match.index > at) out.push({ text: text.slice(at, match.index), href: null });
    out.push({ text: found, href });
    at = match.index + found.length;
  }
  if (at < text.length) out.push({ text: text.slice(at), href: null });
  return out;
}
