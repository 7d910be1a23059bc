import { createContext } from "svelte";

import type { ApiClient } from "../api/client";
import type { Login } from "./login.svelte";
import type { Machines } from "./machines.svelte";
import type { Navigation } from "./navigation.svelte";
import type { Preferences } from "./prefs.svelte";
import type { Sessions } from "./sessions.svelte";
import type { Toasts } from "./toasts.svelte";

/** The state of the app: one class per subject, made in `main.ts`. */
export interface AppState {
  api: ApiClient;
  login: Login;
  machines: Machines;
  nav: Navigation;
  prefs: Preferences;
  sessions: Sessions;
  toasts: Toasts;
}

export const [useApp, provideApp] = createContext<AppState>();
