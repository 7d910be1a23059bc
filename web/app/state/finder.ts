import { addMessages, t } from "../i18n";
import { inside } from "../i18n/en/inside";
import { clientHref } from "../router";
import type { AppState } from "./app";
import type { Candidate } from "./search";

addMessages(inside);

/** A line of the search field's list. */
export interface Finding extends Candidate {
  kind: "running" | "machine" | "command";
  protocol?: string;
  /** Small text beside the title. */
  detail?: string;
  /** Where it leads, for opening in a new window. */
  href?: string;
  run: () => void;
}

/** A running session comes before a machine that matches equally well. */
const RUNNING_BOOST = 300;
/** A command comes after a machine that matches equally well. */
const COMMAND_BOOST = -300;

/** Sessions of this window and the user's others, then machines. */
export function findMachines(app: AppState): Finding[] {
  const here: Finding[] = app.sessions.list.map((session) => ({
    key: `here/${session.key}`,
    title: session.name,
    kind: "running",
    protocol: session.protocol,
    detail: t("search.kind.running"),
    lastUsedMs: session.openedAtMs + 1e12,
    boost: RUNNING_BOOST,
    href: clientHref(session.target),
    run: () => app.nav.go({ page: "client", targets: [session.target] }),
  }));
  const open = new Set(app.sessions.list.map((session) => session.machineKey));
  const machines: Finding[] = app.machines.all
    .filter((machine) => !open.has(machine.key))
    .map((machine) => ({
      key: machine.key,
      title: machine.name,
      kind: "machine",
      protocol: machine.protocol,
      extra: `${machine.path.join(" ")} ${machine.protocol}`,
      detail: machine.path.join(" / "),
      ...(machine.lastUsedMs !== undefined && { lastUsedMs: machine.lastUsedMs }),
      href: clientHref(machine.target),
      run: () => app.nav.go({ page: "client", targets: [machine.target] }),
    }));
  return [...here, ...machines];
}

/** A command of the search field. */
export function command(key: string, title: string, run: () => void): Finding {
  return { key: `command/${key}`, title, kind: "command", boost: COMMAND_BOOST, run };
}

/** Commands that make sense on every page. */
export function findCommands(app: AppState): Finding[] {
  return [
    command("home", t("command.home"), () => app.nav.go({ page: "home" })),
    app.prefs.dark
      ? command("theme", t("command.theme.light"), () => app.prefs.set({ theme: "light" }))
      : command("theme", t("command.theme.dark"), () => app.prefs.set({ theme: "dark" })),
    command("preferences", t("command.preferences"), () => app.nav.go({ page: "preferences" })),
    command("logout", t("command.logout"), () => void app.login.logout()),
  ];
}
