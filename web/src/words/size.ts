/** Bytes as people say them: `812 B`, `84 kB`, `3.1 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_500) return `${Math.round(bytes / 1000)} kB`;
  const mega = bytes / 1_000_000;
  return mega < 9.95 ? `${mega.toFixed(1)} MB` : `${Math.round(mega)} MB`;
}
