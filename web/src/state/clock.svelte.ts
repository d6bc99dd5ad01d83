// The time of day for what is shown: due times, short dates, groups. Moves every half minute.
class Clock {
  /** Now, in milliseconds. */
  now = $state(Date.now());
  constructor() {
    setInterval(() => { this.now = Date.now(); }, 30_000);
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.now = Date.now(); });
  }
}
/** The clock of this window. */
export const wall = new Clock();
