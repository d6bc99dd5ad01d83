// Restante from TypeScript: send, ask, wait, look into the inbox, reply. One file, nothing but `fetch` (Node, Deno, Bun, browsers).
//
//   const bot = new Restante('http://127.0.0.1:8080', token);
//   const promise = await bot.ask(['ana@localhost'], 'Deploy 4821?', { options: ['approve', 'reject'] });
//   const answer = await bot.wait<{ choice: string }>(promise, 3600);
//   if (answer.state === 'fulfilled' && answer.value.choice === 'approve') …
//
// A promise is a text: keep it anywhere, and wait for it again tomorrow, from another process. What is sent is sent once, however
// often the network fails meanwhile: each call has a key of its own, and is repeated with it.

/** The longest that the server holds one request, in seconds. */
const LONGEST = 50;
/** The gaps between attempts, in milliseconds; the last one goes on. */
const GAPS = [200, 500, 1000, 2000, 5000];

export interface Sender { address: string; name: string | null }
export interface Message { id: string; thread_id: string; subject: string; from: Sender | null; preview: string; seen: boolean; received_at: string }
export interface Handle { id: string; state: string }
export interface Sent { id: string; thread_id: string; state: string; promises: { delivery: Handle | null; answer?: Handle | null } }
interface Asked { id: string; kind: string; context: unknown }
export type Answered<T = unknown> = Asked & (
  | { state: 'pending'; value: null; reason: null }
  | { state: 'fulfilled'; value: T; reason: null }
  | { state: 'rejected'; value: null; reason: { code: string; detail: string | null } });
export interface Option { name: string; title?: string; comment?: 'required' | 'optional' }
export interface Ask {
  details?: string;
  /** A choice. */
  options?: readonly (string | Option)[];
  /** A form: a JSON Schema of an object. With neither, the answer is a text. */
  schema?: object;
  deadline?: string | null;
  reminders?: readonly string[];
  settle?: 'any' | 'all' | { quorum: number; veto?: string };
  escalate?: readonly { after: string; to: readonly string[] }[];
  on_expiry?: unknown;
  context?: unknown;
  callback_url?: string;
}

/** What the server refused (RFC 9457). Look at `code`; `fix` says what to do. */
export class Problem extends Error {
  readonly code: string;
  readonly fix: string;
  readonly retryable: boolean;
  readonly requestId: string;
  readonly status: number;
  constructor(status: number, said: Record<string, unknown>) {
    super(`${String(status)} ${String(said['code'] ?? 'unknown')}: ${String(said['detail'] ?? '')}`);
    this.status = status;
    this.code = String(said['code'] ?? 'unknown');
    this.fix = String(said['fix'] ?? '');
    this.retryable = said['retryable'] === undefined ? status >= 500 : said['retryable'] === true;
    this.requestId = String(said['request_id'] ?? '');
  }
}

/** One account, by its token. */
export class Restante {
  readonly #url: string;
  readonly #token: string;
  readonly #attempts: number;

  constructor(url: string, token: string, attempts = 8) {
    this.#url = url.replace(/\/+$/, '');
    this.#token = token;
    this.#attempts = attempts;
  }

  /** Sends a message. It is safe once this returns; `fields` are those of POST /v1/messages. */
  send(to: readonly string[], text: string, fields: { subject?: string; [field: string]: unknown } = {}): Promise<Sent> {
    return this.call<Sent>('POST', '/v1/messages', { to, text, ...fields });
  }

  /** Asks people, and returns the promise of the answer at once. */
  async ask(to: readonly string[], question: string, ask: Ask = {}): Promise<string> {
    const { details = '', options, schema, ...rest } = ask;
    const kind = options !== undefined ? 'choice' : schema !== undefined ? 'form' : 'text';
    const named = options?.map((one) => typeof one === 'string' ? { name: one, title: one } : one);
    const sent = await this.send(to, details, { subject: question, ask: { kind, options: named, schema, ...rest } });
    if (!sent.promises.answer) throw new Error('a question has a promise of its answer');
    return sent.promises.answer.id;
  }

  /** Waits until a promise is settled, or so many seconds are over: then its state is still `pending`. */
  async wait<T = unknown>(promise: string, timeout = Infinity): Promise<Answered<T>> {
    const end = Date.now() + timeout * 1000;
    for (;;) {
      const left = Math.max(0, Math.min(LONGEST, Math.round((end - Date.now()) / 1000)));
      const now = await this.call<Answered<T>>('GET', `/v1/promises/${encodeURIComponent(promise)}?wait=${String(left)}`);
      if (now.state !== 'pending' || Date.now() >= end) return now;
    }
  }

  /** Answers a question that this account was asked. */
  answer(promise: string, value: unknown, comment?: string): Promise<Answered> {
    return this.call<Answered>('POST', `/v1/promises/${encodeURIComponent(promise)}/answer`, { value, comment });
  }

  /** What is in the inbox, newest first; reading changes nothing. With `wait`, holds up to so many seconds (60 at most) until there is
   *  something. */
  async inbox({ unseen = false, wait = 0, limit = 50 } = {}): Promise<Message[]> {
    const query = new URLSearchParams({ mailbox: 'inbox', wait: String(wait), limit: String(limit), ...(unseen ? { seen: 'false' } : {}) });
    return (await this.call<{ items: Message[] }>('GET', `/v1/messages?${query.toString()}`)).items;
  }

  /** Replies to a message, by its id. */
  reply(message: string, text: string): Promise<Sent> {
    return this.call<Sent>('POST', `/v1/messages/${encodeURIComponent(message)}/reply`, { text });
  }

  /** Marks a message as seen. */
  async seen(message: string): Promise<void> {
    await this.call('PATCH', `/v1/messages/${encodeURIComponent(message)}`, { seen: true });
  }

  /** Any other call of the API; see /docs of the server. */
  async call<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#token}`, accept: 'application/json' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (method === 'POST') headers['idempotency-key'] = crypto.randomUUID();
    const text = body === undefined ? null : JSON.stringify(body);
    for (let attempt = 1; ; attempt += 1) {
      let asked = 0;
      try {
        const signal = AbortSignal.timeout((LONGEST + 15) * 1000);
        const answer = await fetch(this.#url + path, { method, headers, body: text, signal, redirect: 'error' });
        const said = await answer.text();
        if (answer.ok) return (said === '' ? undefined : JSON.parse(said)) as T;
        const problem = new Problem(answer.status, parsed(said));
        if (attempt >= this.#attempts || !problem.retryable) throw problem;
        asked = Math.min(Number(answer.headers.get('retry-after') ?? 0) || 0, 300) * 1000;
      } catch (error) {
        if (error instanceof Problem || attempt >= this.#attempts) throw error;
      }
      const gap = (GAPS[Math.min(attempt, GAPS.length) - 1] ?? 0) * (0.7 + Math.random() * 0.6);
      await new Promise((resolve) => setTimeout(resolve, Math.max(asked, gap)));
    }
  }
}

function parsed(said: string): Record<string, unknown> {
  try {
    const problem: unknown = JSON.parse(said);
    return typeof problem === 'object' && problem !== null ? problem as Record<string, unknown> : {};
  } catch {
    return {};
  }
}
