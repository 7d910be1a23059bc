import { t, addMessages } from "../i18n";
import { visit as messages } from "../i18n/en/visit";
import type { AppState } from "./app";

addMessages(messages);

/** Ends the name of the data source that holds what others share. */
const SHARED = /-shared$/;

/** Follows a link to a session that somebody shares: logs in by it if need be, and opens the picture. */
export async function visit(app: AppState, key: string): Promise<void> {
  // Whoever has the key is let in: it must not stay where others find it.
  history.replaceState(null, "", "#/");
  await app.login.submit({ key });
  const { user } = app.login;
  const dataSource = user?.availableDataSources.find((name) => SHARED.test(name));
  const found = dataSource && (await app.api.connection(dataSource, key).catch(() => null));
  if (found) {
    // The only page that no address names.
    app.nav.route = { page: "client", targets: [{ type: "c", id: key, dataSource }] };
    return;
  }
  // Without an answer from the gateway nothing is known about the link.
  if (user || app.login.problem === "invalid") app.toasts.show(t("visit.over"), "bad");
  if (!user) await app.login.restart();
}
