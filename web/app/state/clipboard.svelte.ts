import type { Session } from "../../core";

/** What a machine's clipboard takes unless it says otherwise. */
export const CLIPBOARD_LIMIT_BYTES = 256 * 1024;
/** Refusals by the browser until the user is offered a button instead. */
const MAX_REFUSALS = 3;
/** Content shown or kept as text is refused above this. */
const MAX_INCOMING_BYTES = 16 * 1024 * 1024;

/** The longest beginning of `text` within `limit` bytes of UTF-8, never cut inside a character. */
export function firstBytes(text: string, limit: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(limit));
  return text.slice(0, read);
}

/** Bytes of `text` in UTF-8. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Lines of `text`, not counting empty ones at the end. */
export function linesOf(text: string): string[] {
  return text.replace(/[\r\n]+$/, "").split(/\r\n|\r|\n/);
}

/** The clipboard of one machine and its way to and from the local one. */
export class MachineClipboard {
  /** Latest text known to be on the machine's clipboard. */
  text = $state("");
  /** True when the browser refused to take the latest copy so often that a button must help. */
  stuck = $state(false);

  /** Text both sides are known to share; pasting it again sends nothing, so a newer copy wins. */
  #local: string | null = null;
  #pending: { mimetype: string; blob: Blob; text: string | null } | null = null;
  #refusals = 0;

  /** Takes what the machine copied over to the local clipboard, now or at the next gesture. */
  async fromMachine(mimetype: string, blob: Blob): Promise<void> {
    if (blob.size > MAX_INCOMING_BYTES) return;
    const text = mimetype.startsWith("text/") ? await blob.text() : null;
    if (text !== null) this.text = text;
    this.#pending = { mimetype, blob, text };
    this.#refusals = 0;
    this.stuck = false;
    await this.flush();
  }

  /** Another attempt at writing the local clipboard; called at every key and press. */
  async flush(): Promise<void> {
    const pending = this.#pending;
    if (!pending || this.stuck) return;
    try {
      if (pending.text !== null) await navigator.clipboard.writeText(pending.text);
      else if (pending.mimetype === "image/png") {
        await navigator.clipboard.write([new ClipboardItem({ "image/png": pending.blob })]);
      }
      if (this.#pending === pending) this.#pending = null;
      if (pending.text !== null) this.#local = pending.text;
    } catch {
      if (this.#pending !== pending) return;
      this.#refusals += 1;
      if (this.#refusals >= MAX_REFUSALS) this.stuck = true;
    }
  }

  /** The user pressed the button of the last resort. */
  async copyNow(): Promise<void> {
    this.stuck = false;
    this.#refusals = 0;
    await this.flush();
  }

  /** True when `text` has to be sent before it can be pasted. */
  isNews(text: string): boolean {
    return text !== this.#local;
  }

  /** Puts text on the machine's clipboard. */
  async toMachine(session: Session, text: string): Promise<void> {
    this.#pending = null;
    await session.sendClipboard(text);
    this.#local = text;
    this.text = text;
  }
}
