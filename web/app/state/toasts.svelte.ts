/** A short message that goes by itself, at most with one thing to do. */
export interface Toast {
  id: number;
  text: string;
  tone: "info" | "ok" | "bad";
  action?: { label: string; run: () => void };
}

/** Long enough to read a sentence and reach the button. */
const SHOWN_MS = 6000;
/** More at a time would cover the picture; the oldest goes first. */
const MAX_SHOWN = 3;

/** Messages shown over the page. They never take the focus. */
export class Toasts {
  list = $state.raw<readonly Toast[]>([]);

  #nextId = 1;

  /** Shows a message; one with an action stays twice as long. */
  show(text: string, tone: Toast["tone"] = "info", action?: Toast["action"]): void {
    const id = this.#nextId++;
    const toast: Toast = { id, text, tone, ...(action && { action }) };
    this.list = [...this.list.slice(1 - MAX_SHOWN), toast];
    setTimeout(() => this.dismiss(id), action ? SHOWN_MS * 2 : SHOWN_MS);
  }

  /** Takes a message away. */
  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}
