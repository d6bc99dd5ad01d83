// Which layout the window's width asks for.
const wide = matchMedia('(min-width: 960px)');
const phone = matchMedia('(max-width: 719px)');

class Screen {
  /** List and thread stand side by side. */
  split = $state(wide.matches);
  /** One pane, larger rows, bars top and bottom. */
  phone = $state(phone.matches);
  constructor() {
    wide.addEventListener('change', () => { this.split = wide.matches; });
    phone.addEventListener('change', () => { this.phone = phone.matches; });
  }
}

/** The window. */
export const screen = new Screen();
