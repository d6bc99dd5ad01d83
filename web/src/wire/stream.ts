// Server-sent events (WHATWG HTML, 9.2) over fetch: unlike EventSource it tells the status, so that a cursor that is
// too old (410) and an ended session (401) can be told from a lost connection.
import { problemFrom, withQuery } from './http.ts';
import type { LogEvent } from './types.ts';

/** One dispatched event of the stream. */
export interface Dispatch { type: string; data: string; id: string | null }

/** Takes the stream's text in any cut and gives the complete events of it. */
export class StreamParser {
  #rest = '';
  #data: string[] = [];
  #type = '';
  #id: string | null = null;

  /** Feeds some text; returns the events that are complete now. */
  push(text: string): Dispatch[] {
    const out: Dispatch[] = [];
    this.#rest += text;
    for (;;) {
      const end = /\r\n|\n|\r(?!$)/.exec(this.#rest);
      if (end === null) return out;
      const line = this.#rest.slice(0, end.index);
      this.#rest = this.#rest.slice(end.index + end[0].length);
      if (line !== '') { this.#field(line); continue; }
      if (this.#data.length > 0) out.push({ type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id });
      this.#data = [];
      this.#type = '';
    }
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment: the server's heartbeat
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#type = value;
    else if (name === 'id') this.#id = value;
  }
}

/** Reads the account's log from `cursor` on (or from now) until it ends or `signal` stops it. `alive` is called for whatever arrives,
 *  heartbeats too. Throws `Problem` for a refusal; returns when the connection ends. */
export async function follow(
  cursor: string | null, on: { event: (event: LogEvent) => void; alive: () => void }, signal: AbortSignal,
): Promise<void> {
  const answer = await fetch(withQuery('/v1/events/stream', { cursor }), {
    headers: { accept: 'text/event-stream' }, credentials: 'same-origin', cache: 'no-store', signal,
  });
  if (!answer.ok || answer.body === null) throw problemFrom(answer.status, await answer.text().catch(() => ''), answer.headers.get('retry-after'));
  on.alive();
  const parser = new StreamParser();
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    on.alive();
    for (const { data } of parser.push(decoder.decode(value, { stream: true }))) on.event(JSON.parse(data) as LogEvent);
  }
}
