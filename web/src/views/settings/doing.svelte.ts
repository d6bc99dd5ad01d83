// What is done in a part of the settings, and what came of it.
import { settings } from '../../texts/settings.ts';
import { Trying } from '../trying.svelte.ts';

/** One thing after the other; what is listed is read again after each. */
export class Doing extends Trying {
  readonly #load: () => Promise<void>;

  constructor(load: () => Promise<void>) { super(settings.failed); this.#load = load; }

  /** Does something, and says `done` or why it failed; whether it went well. */
  async act(what: () => Promise<unknown>, done = ''): Promise<boolean> {
    const good = await this.attempt(what, done);
    await this.#load();
    return good;
  }
}
