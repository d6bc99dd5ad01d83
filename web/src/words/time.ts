// Times as people say them. Everything takes `now`, so that tests can name it; zones are the device's.
import { texts } from '../texts.ts';
import { format } from '../texts/language.ts';

const DAY = 86_400_000;

const clockFormat = format((locale) => new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' }));
const secondsFormat = format((locale) => new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' }));
const weekdayFormat = format((locale) => new Intl.DateTimeFormat(locale, { weekday: 'short' }));
const dayFormat = format((locale) => new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' }));
const yearFormat = format((locale) => new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' }));
const monthFormat = format((locale) => new Intl.DateTimeFormat(locale, { month: 'long' }));
const monthYearFormat = format((locale) => new Intl.DateTimeFormat(locale, { month: 'long', year: 'numeric' }));
const fullFormat = format((locale) => new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit' }));

/** Midnight, by the device's clock, `days` after the day of `time` (milliseconds). */
export function dayStart(time: number, days = 0): number {
  const date = new Date(time);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days).getTime();
}

/** `09:41`. */
export const clock = (time: number): string => clockFormat().format(time);
/** `09:41:07`. */
export const seconds = (time: number): string => secondsFormat().format(time);
/** `Thursday 3 December 2026 at 09:41`, for titles. */
export const full = (time: number): string => fullFormat().format(time);

/** The time of a row: `09:41` today, `Tue` within the last six days, `3 Dec` this year, else `3 Dec 2025`. */
export function short(time: number, now: number): string {
  if (time >= dayStart(now) && time < dayStart(now, 1)) return clock(time);
  if (time < dayStart(now) && time >= dayStart(now, -6)) return weekdayFormat().format(time);
  return dayOf(time, now);
}

/** A moment in a sentence: `16:00` today, `tomorrow 09:00`, `yesterday 17:20`, `Tue 09:41`, `3 Dec 09:41`. */
export function moment(time: number, now: number): string {
  if (time >= dayStart(now) && time < dayStart(now, 1)) return clock(time);
  if (time >= dayStart(now, 1) && time < dayStart(now, 2)) return texts.time.tomorrow(clock(time));
  if (time >= dayStart(now, -1) && time < dayStart(now)) return texts.time.yesterday(clock(time));
  const near = time >= dayStart(now, -6) && time < dayStart(now, 7);
  return `${near ? weekdayFormat().format(time) : dayOf(time, now)} ${clock(time)}`;
}

/** A moment that closes a sentence: ` at 16:00` today, `, Tue 09:41` otherwise. */
export function atMoment(time: number, now: number): string {
  const words = moment(time, now);
  return words === clock(time) ? texts.time.at(words) : texts.time.other(words);
}

function dayOf(time: number, now: number): string {
  return new Date(time).getFullYear() === new Date(now).getFullYear() ? dayFormat().format(time) : yearFormat().format(time);
}

/** A span: `45 s`, `12 min`, `5 h 48 min`, `3 days 4 h`. Rounded down. */
export function span(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  if (total < 60) return texts.time.seconds(total);
  const minutes = Math.floor(total / 60);
  if (minutes < 60) return texts.time.minutes(minutes);
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? texts.time.hours(hours) : `${texts.time.hours(hours)} ${texts.time.minutes(minutes % 60)}`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? texts.time.days(days) : `${texts.time.days(days)} ${texts.time.hours(hours % 24)}`;
}

/** What is left: `in 5 h 48 min`, or `over`. */
export const left = (time: number, now: number): string => (time <= now ? texts.time.over : texts.time.left(span(time - now)));

/** The date group of a row. `month` gives its name, with the year unless it is this one. */
export type DateGroup = 'today' | 'yesterday' | 'week' | 'lastWeek' | string;

/** Tells groups for many times at once: the borders are worked out once. Weeks begin on Monday. */
export function grouper(now: number): (time: number) => DateGroup {
  const today = dayStart(now);
  const yesterday = dayStart(now, -1);
  const weekday = (new Date(now).getDay() + 6) % 7;
  const monday = dayStart(now, -weekday);
  const lastMonday = dayStart(now, -weekday - 7);
  const year = new Date(now).getFullYear();
  let until = -1;
  let from = 0;
  let label = '';
  return (time) => {
    if (time >= today) return 'today';
    if (time >= yesterday) return 'yesterday';
    if (time >= monday) return 'week';
    if (time >= lastMonday) return 'lastWeek';
    if (time < from || time >= until) {
      const date = new Date(time);
      from = new Date(date.getFullYear(), date.getMonth(), 1).getTime();
      until = new Date(date.getFullYear(), date.getMonth() + 1, 1).getTime();
      label = (date.getFullYear() === year ? monthFormat() : monthYearFormat()).format(time);
    }
    return label;
  };
}

/** Milliseconds until the next local midnight, when groups and short times change. */
export const untilMidnight = (now: number): number => Math.min(dayStart(now, 1) - now, DAY);
