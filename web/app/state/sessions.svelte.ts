import { sameTarget, type Target } from "../router";
import type { LiveSession } from "./live-session.svelte";

/**
 * The sessions open in this window. They live on while other pages are shown. This class knows
 * nothing of how a session works, so that the home page need not load it.
 */
export class Sessions {
  list = $state.raw<readonly LiveSession[]>([]);

  /** The session opened from `target`, if there is one. */
  find(target: Target): LiveSession | undefined {
    return this.list.find((session) => sameTarget(session.target, target));
  }

  /** Keeps a session until it is closed. */
  add(session: LiveSession): void {
    this.list = [...this.list, session];
  }

  /** Ends a session and forgets it. */
  close(session: LiveSession): void {
    session.close();
    this.list = this.list.filter((other) => other !== session);
  }

  /** Ends all of them. */
  closeAll(): void {
    for (const session of this.list) session.close();
    this.list = [];
  }

  /** True when a machine would notice this page going away. */
  get anyLive(): boolean {
    return this.list.some((session) => session.live);
  }
}
