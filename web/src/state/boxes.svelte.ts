// Mailboxes with their counts, and the questions that are open either way.
import { texts } from '../texts.ts';
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

  /** Fetches the counts. */
  async load(): Promise<void> { this.all = (await mail.mailboxes()).items; }

  /** Fetches the open questions, at most 200 either way. */
  async loadPromises(): Promise<void> {
    const questions = (items: PromiseRecord[]): PromiseRecord[] => items.filter((each) => each.kind === 'answer');
    const [asked, asker] = await Promise.all([promises.list('asked', null, 200), promises.list('asker', null, 200)]);
    this.asked = questions(asked.items);
    this.asker = questions(asker.items);
  }

  /** Forgets everything. */
  clear(): void { this.all = []; this.asked = []; this.asker = []; }
}

/** The mailboxes of this account. */
export const boxes = new Boxes();
