// Mailboxes with their counts, and the questions that are open either way.
import { texts } from '../texts.ts';
import * as mirror from '../local/mirror.ts';
import { mail, promises } from '../wire/api.ts';
import type { Mailbox, PromiseRecord } from '../wire/types.ts';

class Boxes {
  /** All mailboxes of the account. */
  all: Mailbox[] = $state.raw([]);
  /** Open questions to us, and by us. */
  asked: PromiseRecord[] = $state.raw([]);
  asker: PromiseRecord[] = $state.raw([]);

  /** The mailbox of a role or id. */
  find(ref: string): Mailbox | undefined { return this.all.find((box) => box.role === ref || box.id === ref); }

  /** What to call it. */
  name(ref: string): string {
    const known = texts.nav as unknown as Record<string, string>;
    const box = this.find(ref);
    return known[box?.role ?? ref] ?? box?.name ?? ref;
  }

  /** Takes what was known the last time. */
  async recall(): Promise<void> {
    const kept = await mirror.fact<{ all: Mailbox[]; asked: PromiseRecord[]; asker: PromiseRecord[] }>('boxes');
    if (kept === null || this.all.length > 0) return;
    this.all = kept.all; this.asked = kept.asked; this.asker = kept.asker;
  }
  #keep(): void { void mirror.setFact('boxes', { all: this.all, asked: this.asked, asker: this.asker }); }

  /** Fetches the counts. */
  async load(): Promise<void> { this.all = (await mail.mailboxes()).items; this.#keep(); }

  /** Fetches the open questions, at most 200 either way. */
  async loadPromises(): Promise<void> {
    const questions = (items: PromiseRecord[]): PromiseRecord[] => items.filter((each) => each.kind === 'answer');
    const [asked, asker] = await Promise.all([promises.list('asked', null, 200), promises.list('asker', null, 200)]);
    this.asked = questions(asked.items);
    this.asker = questions(asker.items);
    this.#keep();
  }

  /** Forgets everything. */
  clear(): void { this.all = []; this.asked = []; this.asker = []; }
}

/** The mailboxes of this account. */
export const boxes = new Boxes();
