// Where each row of a virtual list stands. Rows have one height, headings another; both are known, so nothing is measured.

/** A heading stands before the row at `index`. */
export interface Heading { index: number; label: string; tone: 'plain' | 'wait' }
/** What is to be drawn of one group: its heading if it is in sight, and rows `from` up to, not including, `to`. */
export interface Slice { heading: Heading; from: number; to: number }

/** The geometry of `count` rows with headings. All lengths are CSS pixels. */
export class Layout {
  constructor(readonly count: number, readonly rowHeight: number, readonly headHeight: number, readonly headings: readonly Heading[]) {}

  /** The height of everything. */
  get height(): number { return this.count * this.rowHeight + this.headings.length * this.headHeight; }

  /** How many headings stand before, or at, the row `index`. */
  #headingsUpTo(index: number): number {
    let low = 0;
    let high = this.headings.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.headings[middle]?.index ?? 0) <= index) low = middle + 1; else high = middle;
    }
    return low;
  }

  /** The top of the row `index`. */
  top(index: number): number { return index * this.rowHeight + this.#headingsUpTo(index) * this.headHeight; }

  /** The row at the height `y`; a heading counts as the row it introduces. Between 0 and `count`. */
  at(y: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.top(middle) + this.rowHeight <= y) low = middle + 1; else high = middle;
    }
    return low;
  }

  /** The groups, and rows of each, that a window from `scroll` of the height `view` touches, with `extra` rows around it. */
  slices(scroll: number, view: number, extra: number): Slice[] {
    const from = Math.max(0, this.at(scroll) - extra);
    const to = Math.min(this.count, this.at(scroll + view) + 1 + extra);
    const out: Slice[] = [];
    this.headings.forEach((heading, n) => {
      const end = this.headings[n + 1]?.index ?? this.count;
      const slice = { heading, from: Math.max(from, heading.index), to: Math.min(to, end) };
      if (slice.from < slice.to) out.push(slice);
    });
    return out;
  }

  /** The scroll position that shows the row `index` wholly, as near to `scroll` as can be. */
  reveal(index: number, scroll: number, view: number): number {
    const top = this.top(index);
    const first = this.headings.some((heading) => heading.index === index) ? top - this.headHeight : top;
    if (first < scroll) return first;
    if (top + this.rowHeight > scroll + view) return top + this.rowHeight - view;
    return scroll;
  }
}

/** Rows that stand on top, whatever their time. */
export interface Pinned { count: number; label: string; tone: Heading['tone'] }

/** The headings of `count` rows: the pinned groups first, the others by `group` of their time, newest first. Where a group ends is found by
 *  halving, so that many rows cost no more than few. */
export function headings(count: number, time: (index: number) => number, pinned: readonly Pinned[], group: (time: number) => string, label: (group: string) => string): Heading[] {
  const out: Heading[] = [];
  let from = 0;
  for (const each of pinned) {
    if (each.count > 0) out.push({ index: from, label: each.label, tone: each.tone });
    from += each.count;
  }
  while (from < count) {
    const here = group(time(from));
    out.push({ index: from, label: label(here), tone: 'plain' });
    let low = from + 1;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (group(time(middle)) === here) low = middle + 1; else high = middle;
    }
    from = low;
  }
  return out;
}
