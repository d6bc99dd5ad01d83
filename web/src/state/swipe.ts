// Swiping a row of the list on a touch screen. Everything it does has a button and a key too.

/** So far, in CSS pixels, a finger goes before it counts; and before it is a swipe and no scrolling. */
const FAR = 96;
const BEGIN = 12;

/** Which way a row was swiped. */
export type Way = 'left' | 'right';

/** The way of a move, or null while it may be a scrolling or a tap. */
export function wayOf(dx: number, dy: number): Way | null {
  if (Math.abs(dx) < BEGIN || Math.abs(dx) < 1.5 * Math.abs(dy)) return null;
  return dx > 0 ? 'right' : 'left';
}

/** Watches the rows within `list`; `act` is told which one was swiped far enough. Returns what ends it. */
export function swipe(list: HTMLElement, act: (at: number, way: Way) => void): () => void {
  let row: HTMLElement | null = null;
  let from = { x: 0, y: 0 };
  let dx = 0;
  let swiping = false;
  const reset = (): void => {
    if (row !== null) { row.style.translate = ''; delete row.dataset.way; }
    row = null; swiping = false; dx = 0;
  };
  const start = (event: TouchEvent): void => {
    reset();
    const touch = event.touches[0];
    if (touch === undefined || event.touches.length > 1) return;
    row = (event.target as HTMLElement).closest<HTMLElement>('[data-at]');
    from = { x: touch.clientX, y: touch.clientY };
  };
  const move = (event: TouchEvent): void => {
    const touch = event.touches[0];
    if (row === null || touch === undefined) return;
    if (event.touches.length > 1) { reset(); return; }
    dx = touch.clientX - from.x;
    const dy = touch.clientY - from.y;
    if (!swiping) {
      if (Math.abs(dy) > BEGIN) { reset(); return; }
      if (wayOf(dx, dy) === null) return;
      swiping = true;
    }
    event.preventDefault(); // the list does not scroll meanwhile
    row.style.translate = `${dx}px`;
    if (Math.abs(dx) >= FAR) row.dataset.way = dx > 0 ? 'right' : 'left'; else delete row.dataset.way;
  };
  const end = (event: TouchEvent): void => {
    const at = row?.dataset.at;
    const way = swiping && Math.abs(dx) >= FAR ? wayOf(dx, 0) : null;
    if (swiping) event.preventDefault(); // no click follows
    reset();
    if (at !== undefined && way !== null) act(Number(at), way);
  };
  list.addEventListener('touchstart', start, { passive: true });
  list.addEventListener('touchmove', move, { passive: false });
  list.addEventListener('touchend', end, { passive: false });
  list.addEventListener('touchcancel', reset);
  return () => {
    reset();
    list.removeEventListener('touchstart', start);
    list.removeEventListener('touchmove', move);
    list.removeEventListener('touchend', end);
    list.removeEventListener('touchcancel', reset);
  };
}
