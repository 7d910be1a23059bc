import { t } from "../i18n";
import type { LiveSession } from "./live-session.svelte";
import type { Toasts } from "./toasts.svelte";

/** Who else is in a session, as its owner hears it. */
export class People {
  #names = $state.raw<ReadonlyMap<string, string>>(new Map());

  /** How many others there are. */
  get count(): number {
    return this.#names.size;
  }

  /** Listens for as long as there is this session; what it returns ends that. */
  follow(live: LiveSession, toasts: Toasts): () => void {
    const { session } = live;
    this.#names = new Map();
    if (!session) return () => {};
    const name = (userName: string): string => userName || t("bar.people.somebody");
    const ends = [
      session.on("joined", ({ userId, userName }) => {
        this.#names = new Map(this.#names).set(userId, userName);
        toasts.show(t("bar.people.joined", { person: name(userName), name: live.name }));
      }),
      session.on("left", ({ userId, userName }) => {
        const rest = new Map(this.#names);
        // Whoever came before us was never announced.
        if (!rest.delete(userId)) return;
        this.#names = rest;
        toasts.show(t("bar.people.left", { person: name(userName), name: live.name }));
      }),
    ];
    return () => ends.forEach((end) => end());
  }
}
