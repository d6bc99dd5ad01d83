// When an outside address is told, as a form has it and as the server takes it.
import type { Forwarding, ForwardingChange } from '../wire/types.ts';

/** What stands in the form. `times` are as `08:00`; what is not in use is kept all the same, so that a change of mind loses nothing. */
export interface HoursForm { when: Forwarding['when']; times: string[]; quiet: boolean; from: string; until: string; zone: string }

/** The form of a forwarding; `own` is this device's time zone, which stands where none was chosen. */
export const hoursForm = (each: Forwarding, own: string): HoursForm => ({
  when: each.when, times: each.times.length > 0 ? [...each.times] : ['08:00'], quiet: each.quiet_hours !== null,
  from: each.quiet_hours?.from ?? '22:00', until: each.quiet_hours?.until ?? '07:00', zone: each.time_zone ?? own,
});

/** What is to be saved: each time once, in their order, and without what is not in use. */
export const hoursChange = (form: HoursForm): ForwardingChange => ({
  when: form.when, ...(form.when === 'digest' ? { times: [...new Set(form.times)].sort() } : {}),
  quiet_hours: form.quiet ? { from: form.from, until: form.until } : null, time_zone: form.zone,
});

/** Every time zone, this device's and UTC among them. */
export const timeZones = (own: string): string[] => [...new Set(['UTC', own, ...Intl.supportedValuesOf('timeZone')])].sort();
