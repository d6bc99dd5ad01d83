// What a first visit loads, printed with every build; too much fails it.
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/** Counts the entry script, what it imports statically, and the style sheets of these. `limit` is in bytes after gzip. */
export function budget(limit: number): Plugin {
  return {
    name: 'budget',
    apply: 'build',
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk');
      const wanted = new Set(chunks.filter((chunk) => chunk.isEntry && chunk.fileName !== 'sw.js').map((chunk) => chunk.fileName));
      for (const name of wanted) {
        for (const next of chunks.find((chunk) => chunk.fileName === name)?.imports ?? []) wanted.add(next);
      }
      let total = 0;
      const parts: string[] = [];
      for (const file of Object.values(bundle)) {
        const entryStyle = file.type === 'asset' && /(?:index|first)-[^/]*\.css$/.test(file.fileName);
        if (!wanted.has(file.fileName) && !entryStyle) continue;
        const bytes = gzipSync(file.type === 'chunk' ? file.code : file.source, { level: 9 }).length;
        total += bytes;
        parts.push(`${file.fileName} ${(bytes / 1000).toFixed(1)}`);
      }
      const text = `first load: ${(total / 1000).toFixed(1)} kB of JS and CSS after gzip (limit ${limit / 1000} kB): ${parts.join(', ')}`;
      if (total > limit) this.error(text);
      this.info(text);
    },
  };
}
