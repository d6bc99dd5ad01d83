// The only place that calls the server, apart from the event stream and uploads.
import { texts } from '../texts.ts';

/** An RFC 9457 problem, or the lack of an answer (`status` 0, `code` "offline"). */
export class Problem extends Error {
  constructor(
    readonly status: number, readonly code: string, readonly detail: string, readonly fix: string | null = null,
    readonly retryAfter: number | null = null, readonly errors: { pointer: string; detail: string }[] = [],
  ) {
    super(detail);
    this.name = 'Problem';
  }

  /** Whether there was no answer at all. */
  get offline(): boolean { return this.status === 0; }
}

/** Reads a problem out of an answer's status, headers and body; any body will do. */
export function problemFrom(status: number, body: string, retryAfter: string | null = null): Problem {
  let parsed: Record<string, unknown> = {};
  try { parsed = JSON.parse(body) as Record<string, unknown>; } catch { /* not JSON: a proxy's page */ }
  const text = (key: string): string | null => (typeof parsed[key] === 'string' ? parsed[key] : null);
  const errors = Array.isArray(parsed.errors) ? (parsed.errors as { pointer: string; detail: string }[]) : [];
  const seconds = retryAfter === null ? NaN : Number(retryAfter);
  return new Problem(
    status, text('code') ?? 'unknown', texts.problems[text('code') ?? ''] ?? text('detail') ?? text('title') ?? texts.error.answered(status), text('fix'),
    Number.isFinite(seconds) ? seconds : null, errors,
  );
}

/** What goes into a call beside its path. */
export interface CallOptions {
  body?: unknown; query?: Record<string, string | number | boolean | null | undefined>;
  headers?: Record<string, string>; signal?: AbortSignal;
}

let signedOut: () => void = () => undefined;
/** Names what is done when the server no longer knows this browser. */
export function onSignedOut(then: () => void): void { signedOut = then; }
/** To be called when any other way of calling meets a 401. */
export function reportSignedOut(): void { signedOut(); }

/** A path with its query; what is null, undefined or empty is left out. */
export function withQuery(path: string, query: CallOptions['query'] = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== null && value !== undefined && value !== '') search.set(key, String(value));
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** Calls the API and returns the parsed answer (undefined for 204). Throws `Problem`. */
export async function call<T>(method: string, path: string, { body, query, headers = {}, signal }: CallOptions = {}): Promise<T> {
  const send: Record<string, string> = { accept: 'application/json', ...headers };
  if (body !== undefined) send['content-type'] = 'application/json';
  let answer: Response;
  try {
    answer = await fetch(withQuery(path, query), {
      method, headers: send, credentials: 'same-origin', cache: 'no-store', redirect: 'error',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }), ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, 'offline', texts.error.offline);
  }
  if (answer.ok) return (answer.status === 204 ? undefined : await answer.json()) as T;
  const problem = problemFrom(answer.status, await answer.text().catch(() => ''), answer.headers.get('retry-after'));
  // A wrong password that was given in the body says nothing of the session.
  if (answer.status === 401 && problem.code !== 'bad_credentials') signedOut();
  throw problem;
}
