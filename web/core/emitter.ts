/** Removes the listener it was returned for. */
export type Unsubscribe = () => void;

type Listener<T> = (event: T) => void;

/**
 * A small typed event source. Listeners run in the order they were added; one that throws is
 * reported and does not stop the others.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Calls `listener` for each event of this type until unsubscribed or until `signal` aborts. */
  on<K extends keyof Events>(
    type: K,
    listener: Listener<Events[K]>,
    options: { signal?: AbortSignal } = {},
  ): Unsubscribe {
    // A wrapper of its own, so that adding one function twice gives two independent entries.
    const entry: Listener<Events[K]> = (event) => listener(event);
    let set = this.#listeners.get(type);
    if (set === undefined) this.#listeners.set(type, (set = new Set()));
    const entries = set;
    entries.add(entry);
    const remove = (): void => void entries.delete(entry);
    if (options.signal?.aborted) remove();
    else options.signal?.addEventListener("abort", remove, { once: true });
    return remove;
  }

  /** Like {@link on}, for the next event only. */
  once<K extends keyof Events>(type: K, listener: Listener<Events[K]>): Unsubscribe {
    const remove = this.on(type, (event) => {
      remove();
      listener(event);
    });
    return remove;
  }

  /** Whether anybody listens for this type. */
  protected hasListener(type: keyof Events): boolean {
    return (this.#listeners.get(type)?.size ?? 0) > 0;
  }

  protected emit<K extends keyof Events>(type: K, event: Events[K]): void {
    const set = this.#listeners.get(type);
    if (set === undefined || set.size === 0) return;
    for (const listener of [...set]) {
      if (!set.has(listener)) continue;
      try {
        (listener as Listener<Events[K]>)(event);
      } catch (error) {
        reportError(error);
      }
    }
  }
}
