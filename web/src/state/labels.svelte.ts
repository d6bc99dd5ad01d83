// Labels (keywords of messages) that this browser has met. Those that begin with $ are the server's own marks.
import * as mirror from '../local/mirror.ts';

const MOST = 100;

class Labels {
  /** Every label, in the order of the alphabet. */
  all: string[] = $state.raw([]);
  /** Takes what was known the last time. */
  async recall(): Promise<void> { this.learn((await mirror.fact<string[]>('labels')) ?? []); }
  /** Adds labels met on messages. */
  learn(some: Iterable<string>): void {
    const fresh = [...some].filter((label) => !label.startsWith('$') && !this.all.includes(label));
    if (fresh.length === 0) return;
    this.all = [...new Set([...this.all, ...fresh])].sort().slice(0, MOST);
    void mirror.setFact('labels', this.all);
  }
  /** Forgets everything. */
  clear(): void { this.all = []; }
}
/** The labels of this account. */
export const labels = new Labels();

/** `deploys` as `Deploys`. */
export const shownLabel = (label: string): string => label.charAt(0).toUpperCase() + label.slice(1).replaceAll(/[-_]/g, ' ');
