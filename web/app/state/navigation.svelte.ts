import { formatRoute, parseRoute, type Route } from "../router";

/** The page the address bar names, and the only way to change it. */
export class Navigation {
  route = $state.raw<Route>({ page: "home" });
  /** False until the first page change made inside the app: tells an arrival from a return. */
  moved = $state(false);

  #dataSource = "";

  constructor() {
    this.#read();
    window.addEventListener("hashchange", () => {
      this.moved = true;
      this.#read();
    });
  }

  /** Data source of bare identifiers in addresses; known after login. */
  setDefaultDataSource(dataSource: string): void {
    if (dataSource === this.#dataSource) return;
    this.#dataSource = dataSource;
    this.#read();
  }

  /** Shows a page; `replace` leaves no entry in the history. */
  go(route: Route, replace = false): void {
    const hash = formatRoute(route);
    if (replace) {
      history.replaceState(null, "", hash);
      this.#read();
    } else {
      location.hash = hash;
    }
  }

  #read(): void {
    this.route = parseRoute(location.hash, this.#dataSource);
  }
}
