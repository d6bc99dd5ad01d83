// What is done in a part of the settings, and what came of it.
import { settings } from '../../texts/settings.ts';
import { Problem } from '../../wire/http.ts';

/** One thing after the other; what is listed is read again after each. */
export class Doing {
  busy = $state(false);
  problem = $state('');
  said = $state('');
  readonly #load: () => Promise<void>;

  constructor(load: () => Promise<void>) { this.#load = load; }

  /** Does something, and says `done` or why it failed; whether it went well. */
  async act(what: () => Promise<unknown>, done = ''): Promise<boolean> {
    this.busy = true; this.problem = ''; this.said = '';
    let good = true;
    try { await what(); this.said = done; } catch (error) {
      good = false;
      this.problem = settings.failed(error instanceof Problem ? (error.errors[0]?.detail ?? error.detail) : String(error));
    }
    this.busy = false;
    await this.#load();
    return good;
  }
}
