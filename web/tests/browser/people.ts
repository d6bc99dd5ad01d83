// People whose names and letters hold no Latin letters, so that whatever does is the page's own.
import type { Page } from '@playwright/test';
import { Person } from './fixtures.ts';
import type { Server } from './server.ts';

const password = 'three old bicycles in a row';
/** A name that runs from right to left. */
export const noa = 'נועה לוי';
/** A subject that does. */
export const subject = 'האם לפרוס את הגרסה?';

/** An administrator who reads, and somebody who writes. */
export function people(server: Server): { reader: Person; writer: Person } {
  const make = (address: string, name: string, admin: boolean): Person => {
    server.run(['account', 'create', address, '--name', name, '--password-stdin', ...(admin ? ['--admin'] : [])], `${password}\n`);
    return new Person(server, address, name, password, server.run(['token', 'create', address, '--name', '1']));
  };
  const n = Math.random().toString(36).slice(2, 8);
  return { reader: make(`reader-${n}@localhost`, 'Ольга', true), writer: make(`noa-${n}@localhost`, noa, false) };
}

/** Has the pages that are opened from now on speak a language. */
export const speak = (page: Page, language: string): Promise<unknown> => page.addInitScript((chosen) => { localStorage.setItem('restante.prefs', JSON.stringify({ language: chosen, undo: 0 })); }, language);
