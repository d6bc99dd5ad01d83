// What the first page needs goes into one file: each file of its own costs a turn through the service worker before anything is drawn.
import { resolve } from 'node:path';

interface Graph { getModuleInfo(id: string): { importedIds: readonly string[] } | null }

/** Names the chunk of a module: `first` for all that `main` imports, directly or not, and nothing for what is fetched when it is wanted. */
export function first(main: string): (id: string, graph: Graph) => string | null {
  const start = resolve(main);
  let reached: Set<string> | null = null;
  return (id, graph) => {
    if (reached === null) {
      reached = new Set([start]);
      for (const each of reached) for (const next of graph.getModuleInfo(each)?.importedIds ?? []) reached.add(next);
    }
    return reached.has(id) ? 'first' : null;
  };
}
