// Folding the quoted part of a plain text behind a button.

/** A text cut into what was written and what was quoted, in order. */
export interface Block { quoted: boolean; text: string }

const attribution = /^(?:(?:On|Am|Le|El|Il|Op)\s.{4,200}(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef)\s?.{0,120}:|-{2,}\s?(?:Original Message|Forwarded message|Ursprüngliche Nachricht)\s?-{2,})\s*$/u;

/** Cuts a text into blocks. A quote is a run of lines that begin with `>`, together with the line that introduces it; what follows an
 *  "Original message" line is quoted to the end. Blank lines beside a quote go with it. The texts of all blocks, joined by line
 *  feeds, are the input again (with CRLF read as LF). */
export function fold(text: string): Block[] {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  const quoted = lines.map((line) => line.startsWith('>'));
  let toEnd = false;
  lines.forEach((line, at) => {
    if (toEnd) { quoted[at] = true; return; }
    if (!attribution.test(joined(lines, at))) return;
    if (line.startsWith('-')) { toEnd = true; quoted[at] = true; return; }
    let next = at + 1;
    // the introduction may run over two lines, and blank ones may stand before the quote
    while (next < lines.length && (lines[next] === '' || (next === at + 1 && !lines[next]?.startsWith('>') && lines[next]?.endsWith(':')))) next += 1;
    if (quoted[next] === true) for (let each = at; each < next; each += 1) quoted[each] = true;
  });
  // Blank lines between two quoted ones belong to the quote; so do those at its end.
  for (let at = 0; at < lines.length; at += 1) {
    if (quoted[at] === true || lines[at]?.trim() !== '' || quoted[at - 1] !== true) continue;
    quoted[at] = true;
  }
  const out: Block[] = [];
  lines.forEach((line, at) => {
    const last = out[out.length - 1];
    if (last !== undefined && last.quoted === quoted[at]) last.text += `\n${line}`;
    else out.push({ quoted: quoted[at] === true, text: line });
  });
  return out;
}

function joined(lines: readonly string[], at: number): string {
  const line = lines[at] ?? '';
  if (line.length > 400) return '';
  const next = lines[at + 1] ?? '';
  return !line.endsWith(':') && next.endsWith(':') && !next.startsWith('>') && next.length < 200 ? `${line} ${next}` : line;
}

/** A text as the quote of a reply: each line behind `> `. */
export const quote = (text: string): string =>
  text.replaceAll('\r\n', '\n').trimEnd().split('\n').map((line) => (line.startsWith('>') ? `>${line}` : line === '' ? '>' : `> ${line}`)).join('\n');
