import "./theme/base.css";

import { mount } from "svelte";

import { ApiClient } from "./api/client";
import App from "./shell/App.svelte";
import type { AppState } from "./state/app";
import { Login } from "./state/login.svelte";
import { Machines } from "./state/machines.svelte";
import { Navigation } from "./state/navigation.svelte";
import { Preferences } from "./state/prefs.svelte";
import { Sessions } from "./state/sessions.svelte";
import { Toasts } from "./state/toasts.svelte";

const api = new ApiClient();
const app: AppState = {
  api,
  prefs: new Preferences(),
  nav: new Navigation(),
  login: new Login(api),
  machines: new Machines(api),
  sessions: new Sessions(),
  toasts: new Toasts(),
};

app.login.beforeLeave = () => app.sessions.closeAll();
// A link to somebody's session.
const key = /^#\/?\?key=(.+)/.exec(location.hash)?.[1];
if (key) void import("./state/visit").then((part) => part.visit(app, key));
else void app.login.check();

const target = document.getElementById("app");
if (target) mount(App, { target, props: { app } });
