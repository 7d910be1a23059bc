/** Where text that came without keys goes. */
export interface ComposeTarget {
  type(text: string): void;
  backspace(count: number): void;
  /** A composition began: the modifiers that started it made text, no key. */
  composing(): void;
}

/** Beyond this lie scripts whose compositions are not the text that results. */
const LATIN_END = 0x250;

/** Input events that repeat what the composition events say. */
const COMPOSITION_INPUT: ReadonlySet<string> = new Set([
  "insertCompositionText",
  "insertFromComposition",
  "deleteCompositionText",
  "deleteByComposition",
]);

/**
 * Text that does not come as keys: input methods, dead keys, dictation, swipes, emoji. It appears in
 * the sink, is taken from there, and the sink is emptied.
 *
 * Phone keyboards compose whole words of plain letters. With `live` those are sent letter by letter,
 * with corrections as BackSpace; on desktops a composition is sent when it ends.
 */
export class Compose {
  readonly #sink: HTMLElement;
  readonly #target: ComposeTarget;
  readonly #live: boolean;
  #composing = false;
  /** What of the current composition was sent already. */
  #sent = "";

  constructor(sink: HTMLElement, target: ComposeTarget, live: boolean, signal: AbortSignal) {
    this.#sink = sink;
    this.#target = target;
    this.#live = live;
    sink.addEventListener("compositionstart", () => this.#start(), { signal });
    sink.addEventListener("compositionupdate", (event) => this.#update(event.data), { signal });
    sink.addEventListener("compositionend", (event) => this.#end(event.data), { signal });
    sink.addEventListener("beforeinput", (event) => this.#before(event), { signal });
    sink.addEventListener("input", (event) => this.#input(event as InputEvent), { signal });
  }

  get active(): boolean {
    return this.#composing;
  }

  /** Forgets a composition that will not end here. */
  cancel(): void {
    this.#composing = false;
    this.#sent = "";
    this.#clear();
  }

  #start(): void {
    this.#composing = true;
    this.#sent = "";
    this.#target.composing();
  }

  #update(text: string): void {
    if (this.#live && isLatin(text)) this.#catchUp(text);
  }

  #end(text: string): void {
    if (!this.#composing) return;
    this.#composing = false;
    this.#catchUp(text);
    this.#sent = "";
    this.#clear();
  }

  /** Makes what was sent equal to `text`. */
  #catchUp(text: string): void {
    const before = [...this.#sent];
    const after = [...text];
    let same = 0;
    while (same < before.length && before[same] === after[same]) same++;
    if (before.length > same) this.#target.backspace(before.length - same);
    if (after.length > same) this.#target.type(after.slice(same).join(""));
    this.#sent = text;
  }

  #before(event: InputEvent): void {
    if (this.#composing || event.isComposing || !event.inputType.startsWith("delete")) return;
    if (COMPOSITION_INPUT.has(event.inputType)) return;
    // The sink is empty, so the deletion is meant for the machine.
    event.preventDefault();
    this.#target.backspace(1);
  }

  #input(event: InputEvent): void {
    if (this.#composing || event.isComposing) return;
    if (!COMPOSITION_INPUT.has(event.inputType)) {
      const text = event.data ?? this.#text();
      if (text !== "") this.#target.type(text);
    }
    this.#clear();
  }

  #text(): string {
    return "value" in this.#sink ? String(this.#sink.value) : (this.#sink.textContent ?? "");
  }

  #clear(): void {
    if ("value" in this.#sink) this.#sink.value = "";
  }
}

function isLatin(text: string): boolean {
  for (const character of text) if ((character.codePointAt(0) ?? 0) >= LATIN_END) return false;
  return true;
}
