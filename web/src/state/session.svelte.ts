// Who is signed in here.
import { owner, use } from '../local/db.ts';
import * as mirror from '../local/mirror.ts';
import { onSignedOut, Problem } from '../wire/http.ts';
import { session as wire } from '../wire/api.ts';
import type { Me } from '../wire/types.ts';

/** Under this name local storage says whose copy this browser holds. */
const KEY = 'restante.account';

function remembered(): string | null { try { return localStorage.getItem(KEY); } catch { return null; } }

class SessionState {
  /** The account, once known. */
  me: Me | null = $state.raw(null);
  /** Whether we know yet, and why not. */
  status: 'asking' | 'in' | 'out' | 'unreachable' = $state('asking');
  /** Whether a session that was open has ended under us. */
  ended = $state(false);

  /** The account's own addresses. */
  get mine(): readonly string[] { return this.me === null ? [] : [this.me.address, ...this.me.addresses]; }

  /** Opens the copy of whoever was here the last time, and asks it for what the page at this address begins with. */
  readAhead(box: string | null): void {
    const last = remembered();
    if (last === null) return;
    use(last);
    mirror.readAhead(box);
  }

  /** Asks the server who we are. Whoever was here the last time is shown their copy until it has answered. */
  async ask(): Promise<void> {
    this.status = 'asking';
    const last = remembered();
    const answer = wire.me();
    answer.catch(() => undefined); // looked at below
    if (last !== null) {
      use(last);
      const me = await mirror.fact<Me>('me');
      if (me !== null) { this.me = me; this.status = 'in'; }
    }
    try {
      this.enter(await answer);
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.leave(last !== null && (this.status as string) === 'in');
      else if ((this.status as string) !== 'in') this.status = 'unreachable';
    }
  }

  /** Takes up a session that has just begun. */
  enter(me: Me): void {
    if (this.me !== null && this.me.id !== me.id) this.status = 'out'; // the views forget the other account
    if (owner() !== me.id) use(me.id);
    try { localStorage.setItem(KEY, me.id); } catch { /* the copy is not found again, that is all */ }
    void mirror.setFact('me', me);
    this.ended = false;
    if (this.status === 'out' && this.me !== null) { this.me = me; queueMicrotask(() => { this.status = 'in'; }); return; }
    this.me = me; this.status = 'in';
  }

  /** Forgets the account; with `ended`, the server did. */
  leave(ended: boolean): void {
    this.me = null; this.status = 'out'; this.ended = ended;
    if (!ended) try { localStorage.removeItem(KEY); } catch { /* nothing was kept */ }
  }
}

/** The session of this browser. */
export const session = new SessionState();

onSignedOut(() => { if (session.status === 'in') session.leave(true); });
