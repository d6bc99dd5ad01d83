// The service worker's list of files, written into it once they are all known, and a version made of their names: they bear hashes
// of their content, so the same sources make the same worker on every machine.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Plugin } from 'vite';

/** Names the worker `sw.js` and fills in FILES and VERSION. */
export function worker(): Plugin {
  return {
    name: 'worker',
    apply: 'build',
    // After the others: chunks that hold nothing but styles are taken out first, and a file that is not there would keep the
    // worker from being installed.
    generateBundle: { order: 'post', handler(_options, bundle) {
      const chunk = bundle['sw.js'];
      if (chunk?.type !== 'chunk') { this.error('there is no worker'); return; }
      if (chunk.imports.length > 0) this.error(`the worker imports ${chunk.imports.join(', ')}`);
      const built = Object.keys(bundle).filter((name) => name.startsWith('assets/')).map((name) => `/${name}`);
      const still = readdirSync('public').map((name) => `/${name}`);
      const files = [...built, ...still].sort();
      const version = createHash('sha256').update(files.join('\n')).update(readFileSync('index.html'));
      for (const name of readdirSync('public').sort()) version.update(readFileSync(`public/${name}`));
      chunk.code = `const VERSION=${JSON.stringify(version.digest('hex').slice(0, 16))},FILES=${JSON.stringify(files)};${chunk.code}`;
    } },
  };
}
