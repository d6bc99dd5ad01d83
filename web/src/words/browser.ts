/** A browser and system out of a User-Agent header, as people call them: `Firefox on Linux`. Null if it tells nothing. */
export function browserName(agent: string | null): string | null {
  if (agent === null || agent.trim() === '') return null;
  const browser = ([['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']] as const).find(([sign]) => agent.includes(sign))?.[1];
  const system = ([['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Android', 'Android'], ['Windows', 'Windows'], ['Mac OS', 'Mac'], ['Linux', 'Linux']] as const).find(([sign]) => agent.includes(sign))?.[1];
  if (browser === undefined) return agent.split(/[\s/]/)[0]?.slice(0, 40) ?? null;
  return system === undefined ? browser : `${browser} on ${system}`;
}
