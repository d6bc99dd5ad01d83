// Which key means what. Keys never act while something is being typed.

/** What a key asks for. */
export type Command =
  | 'next' | 'previous' | 'open' | 'back' | 'select' | 'selectNext' | 'selectPrevious' | 'selectAll' | 'archive' | 'delete' | 'star' | 'move' | 'junk' | 'read' | 'unread'
  | 'compose' | 'reply' | 'replyAll' | 'forward' | 'undo' | 'filter' | 'help' | 'snooze' | 'label' | 'mute' | 'palette' | { go: string } | { answer: string };

/** The parts of a KeyboardEvent that count. */
export interface Key { key: string; ctrlKey: boolean; metaKey: boolean; altKey: boolean; shiftKey: boolean }

const single: Record<string, Command> = {
  j: 'next', k: 'previous', o: 'open', u: 'back', x: 'select', J: 'selectNext', K: 'selectPrevious', e: 'archive', '#': 'delete', s: 'star', v: 'move', h: 'snooze', b: 'snooze', l: 'label', '!': 'junk', m: 'mute', I: 'read', U: 'unread',
  c: 'compose', r: 'reply', a: 'replyAll', f: 'forward', z: 'undo', '/': 'filter', '?': 'help', y: { answer: 'y' }, n: { answer: 'n' },
};
const named: Record<string, Command> = { ArrowDown: 'next', ArrowUp: 'previous', Enter: 'open', Escape: 'back', Delete: 'delete' };
const places: Record<string, string> = { i: '/', q: '/asked', w: '/waiting', s: '/m/snoozed', t: '/m/sent', d: '/drafts', a: '/m/archive' };

/** Reads keys one by one; `g` waits for the next. */
export class Keys {
  #went = -Infinity;

  /** The command of a key at `now` (milliseconds), or null. `letters` says whether single letters count. */
  command(key: Key, now: number, letters: boolean): Command | null {
    const afterG = now - this.#went < 1500;
    this.#went = -Infinity;
    if (key.altKey) return null;
    if ((key.ctrlKey || key.metaKey) && key.key.toLowerCase() === 'k' && !key.shiftKey) return 'palette';
    if (key.ctrlKey || key.metaKey) return key.key.toLowerCase() === 'a' && !key.shiftKey ? 'selectAll' : null;
    const special = named[key.key];
    if (special !== undefined) return key.shiftKey && special === 'next' ? 'selectNext' : key.shiftKey && special === 'previous' ? 'selectPrevious' : special;
    if (!letters) return null;
    if (afterG) { const path = places[key.key]; return path === undefined ? null : { go: path }; }
    if (key.key === 'g') { this.#went = now; return null; }
    if (/^[1-9]$/.test(key.key)) return { answer: key.key };
    return single[key.key] ?? null;
  }
}
