// Something that is tried on the server, and what came of it.
import { Problem } from '../wire/http.ts';

/** One thing after the other; `failed` says that one failed, and why. */
export class Trying {
  busy = $state(false);
  problem = $state('');
  said = $state('');
  readonly #failed: (detail: string) => string;

  constructor(failed: (detail: string) => string) { this.#failed = failed; }

  /** Tries something, and says `done`, or what it says itself, or why it failed; whether it went well. */
  async attempt(what: () => Promise<unknown>, done = ''): Promise<boolean> {
    this.busy = true; this.problem = ''; this.said = '';
    let good = true;
    try { await what(); if (done !== '') this.said = done; } catch (error) {
      good = false;
      this.problem = this.#failed(error instanceof Problem ? (error.errors[0]?.detail ?? error.detail) : String(error));
    }
    this.busy = false;
    return good;
  }
}
