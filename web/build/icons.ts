// The icons of the inbox, taken from lucide (ISC licence) at build time and laid into index.html as one sprite:
// no request of their own, nothing drawn late, and no markup made by scripts.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';
import { iconNames } from '../src/views/icons.ts';

const home = dirname(createRequire(import.meta.url).resolve('lucide-static/package.json'));

function symbol(name: string): string {
  const svg = readFileSync(join(home, 'icons', `${name}.svg`), 'utf8');
  const inner = /<svg[^>]*>([\s\S]*)<\/svg>/.exec(svg)?.[1];
  if (inner === undefined) throw new Error(`${name}.svg is not an icon`);
  const shapes = inner.trim().replaceAll(/\s*\n\s*/g, '').replaceAll(' />', '/>');
  return `<symbol id="i-${name}" viewBox="0 0 24 24">${shapes}</symbol>`;
}

/** Puts the sprite where index.html says `<!-- icons -->`. */
export function icons(): Plugin {
  return {
    name: 'icons',
    transformIndexHtml: (html) => html.replace('<!-- icons -->', iconNames.map(symbol).join('')),
  };
}
