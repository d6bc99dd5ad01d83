// The one message at the bottom of the window, and what is read out by screen readers.

/** A message that may offer to take back what was done. `until` is when the offer ends, in milliseconds. */
export interface Toast { text: string; undo: (() => unknown) | null; bad: boolean; until: number }

class Toasts {
  /** What is shown now. */
  now: Toast | null = $state.raw(null);
  /** Read out politely, not shown. */
  spoken = $state('');
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Shows a message for `ms`; a later one takes its place. */
  show(text: string, { undo = null, bad = false, ms = undo === null ? 5000 : 10_000 }: { undo?: (() => unknown) | null; bad?: boolean; ms?: number } = {}): void {
    clearTimeout(this.#timer);
    this.now = { text, undo, bad, until: Date.now() + ms };
    this.#timer = setTimeout(() => { this.now = null; }, ms);
  }

  /** Takes back what the message shown offers to take back. Returns whether there was anything. */
  undo(): boolean {
    const undo = this.now?.undo ?? null;
    if (undo === null) return false;
    this.close();
    undo();
    return true;
  }

  /** Takes the message away. */
  close(): void { clearTimeout(this.#timer); this.now = null; }

  /** Has a sentence read out. */
  say(text: string): void { this.spoken = text; }
}

/** The messages of this window. */
export const toasts = new Toasts();

/** A question that must be answered before something that cannot be taken back. */
export interface Confirmation { title: string; text: string; action: string; then: () => unknown }

class Confirm {
  /** The question asked now. */
  now: Confirmation | null = $state.raw(null);
  /** Asks. */
  ask(question: Confirmation): void { this.now = question; }
}

/** The one confirmation of this window. */
export const confirmation = new Confirm();
