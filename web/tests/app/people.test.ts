// @vitest-environment happy-dom
import { expect, it } from "vitest";

import { addMessages } from "../../app/i18n";
import { session as messages } from "../../app/i18n/en/session";
import type { LiveSession } from "../../app/state/live-session.svelte";
import { People } from "../../app/state/people.svelte";
import { Toasts } from "../../app/state/toasts.svelte";
import { Emitter } from "../../core/emitter";
import type { SessionEvents } from "../../core/session/events";

class Said extends Emitter<SessionEvents> {
  say<K extends keyof SessionEvents>(name: K, event: SessionEvents[K]): void {
    this.emit(name, event);
  }
}

it("counts and tells who joins and leaves", () => {
  addMessages(messages);
  const session = new Said();
  const [people, toasts] = [new People(), new Toasts()];
  const end = people.follow({ session, name: "shell" } as unknown as LiveSession, toasts);
  session.say("joined", { userId: "@1", userName: "ada" });
  session.say("joined", { userId: "@2", userName: "" });
  expect(people.count).toBe(2);
  session.say("left", { userId: "@1", userName: "ada" });
  session.say("left", { userId: "@0", userName: "unknown" });
  expect(people.count).toBe(1);
  expect(toasts.list.map((toast) => toast.text)).toEqual([
    "ada joined shell.",
    "Somebody joined shell.",
    "ada left shell.",
  ]);
  end();
  session.say("joined", { userId: "@3", userName: "late" });
  expect(people.count).toBe(1);
});
