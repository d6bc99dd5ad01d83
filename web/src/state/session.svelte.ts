// Who is signed in here.
import { onSignedOut, Problem } from '../wire/http.ts';
import { session as wire } from '../wire/api.ts';
import type { Me } from '../wire/types.ts';

class SessionState {
  /** The account, once known. */
  me: Me | null = $state.raw(null);
  /** Whether we know yet, and why not. */
  status: 'asking' | 'in' | 'out' | 'unreachable' = $state('asking');
  /** Whether a session that was open has ended under us. */
  ended = $state(false);

  /** The account's own addresses. */
  get mine(): readonly string[] { return this.me === null ? [] : [this.me.address, ...this.me.addresses]; }

  /** Asks the server who we are. */
  async ask(): Promise<void> {
    this.status = 'asking';
    try {
      this.enter(await wire.me());
    } catch (error) {
      this.status = error instanceof Problem && error.status === 401 ? 'out' : 'unreachable';
    }
  }

  /** Takes up a session that has just begun. */
  enter(me: Me): void { this.me = me; this.status = 'in'; this.ended = false; }

  /** Forgets the account; with `ended`, the server did. */
  leave(ended: boolean): void { this.me = null; this.status = 'out'; this.ended = ended; }
}

/** The session of this browser. */
export const session = new SessionState();

onSignedOut(() => { if (session.status === 'in') session.leave(true); });
