// Where in the app we are, as the address bar says.
import { parse, type Route } from './path.ts';

class Router {
  /** The page shown now. */
  now: Route = $state.raw(parse(location.pathname, location.search));

  /** Goes to a page; `replace` leaves no trace of the present one. */
  go(href: string, replace = false): void {
    if (href === location.pathname + location.search) return;
    history[replace ? 'replaceState' : 'pushState'](null, '', href);
    this.read();
  }

  /** Takes the address as it is now. */
  read(): void { this.now = parse(location.pathname, location.search); }
}

/** The router of this page. */
export const router = new Router();

export { hrefOf, type Box, type Route } from './path.ts';
