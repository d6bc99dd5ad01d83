// Times to choose from, for snoozing and for sending later. In the device's own zone.
import { dayStart } from './time.ts';

/** A choice: its name in the texts, and the time in milliseconds. */
export interface When { name: 'today' | 'evening' | 'tomorrow' | 'monday' | 'week'; at: number }

const clockOn = (day: number, hour: number): number => { const date = new Date(day); date.setHours(hour, 0, 0, 0); return date.getTime(); };

/** The choices that make sense at `now`: later today, this evening, tomorrow morning, Monday morning, in a week. */
export function choices(now: number): When[] {
  const today = dayStart(now);
  const weekday = new Date(now).getDay();
  const inThree = Math.ceil((now + 3 * 3_600_000) / 1_800_000) * 1_800_000;
  const monday = dayStart(now, ((8 - weekday) % 7) || 7);
  const all: When[] = [
    { name: 'today', at: inThree }, { name: 'evening', at: clockOn(today, 18) }, { name: 'tomorrow', at: clockOn(dayStart(now, 1), 8) },
    { name: 'monday', at: clockOn(monday, 8) }, { name: 'week', at: clockOn(dayStart(now, 7), 8) },
  ];
  const seen = new Set<number>();
  return all.filter(({ name, at }) => {
    const fits = at > now + 60_000 && (name !== 'today' || at < clockOn(today, 18)) && !seen.has(at);
    seen.add(at);
    return fits;
  });
}

/** A time as a `datetime-local` field takes it. */
export function localInput(time: number): string {
  const date = new Date(time);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}
