// The one menu that may be open over the page: where to move, until when to snooze, which labels, or any command.
import { targets } from './actions.ts';
import type { Row } from './rows.ts';

/** What a menu is for, and the rows it is about. */
export type Menu = { kind: 'move' | 'snooze' | 'label'; rows: Row[] } | { kind: 'palette' };

class Menus {
  now: Menu | null = $state.raw(null);
  /** Opens a menu about what is chosen, if anything is. */
  open(kind: 'move' | 'snooze' | 'label'): void {
    const rows = targets();
    if (rows.length > 0) this.now = { kind, rows };
  }
}
/** The menus of this window. */
export const menus = new Menus();
