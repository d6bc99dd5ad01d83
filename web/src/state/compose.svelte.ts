// What is being written, and where. How it is written and sent comes with the composer, when somebody writes.
import type { Draft } from './drafts.svelte.ts';

class Compose {
  /** The reply at the end of the open conversation. */
  inline: Draft | null = $state(null);
  /** The message in its own window. */
  window: Draft | null = $state(null);
  /** How many drafts are kept. */
  drafts = $state(0);
  /** Whether the reply was taken up by itself, so that the keys stay with the conversation. */
  quiet = false;

  /** Writes a new message. */
  write(): void { void writer().then(({ writer: desk }) => desk.write()); }

  /** Closes a draft's editor. */
  close(draft: Draft): void {
    if (this.inline?.key === draft.key) this.inline = null;
    if (this.window?.key === draft.key) this.window = null;
  }
}

/** What is being written in this window. */
export const compose = new Compose();
/** The part that writes and sends. */
export const writer = (): Promise<typeof import('./writer.svelte.ts')> => import('./writer.svelte.ts');
