import type { Session } from "../session/session.ts";
import { Keyboard, type KeyboardOptions } from "./keyboard.ts";
import { Pointer } from "./pointer.ts";
import { Touch, type TouchMode } from "./touch.ts";

/** Settings of {@link attachInput}. */
export interface AttachOptions extends KeyboardOptions {
  touchMode?: TouchMode;
  /** Whether the picture is larger than its place, so that one finger pans. */
  zoomed?: () => boolean;
  /**
   * Send pasted text to the machine's clipboard. Default false: a page that listens to the
   * keyboard's `paste` itself can ask first, or take files.
   */
  pasteText?: boolean;
}

/** What {@link attachInput} made. */
export interface AttachedInput {
  readonly keyboard: Keyboard;
  readonly pointer: Pointer;
  readonly touch: Touch;
  /** Releases everything and stops. */
  detach(): void;
}

/** Connects keyboard, pointer and touch of one sink to a session. */
export function attachInput(session: Session, sink: HTMLElement, options: AttachOptions = {}): AttachedInput {
  const keyboard = new Keyboard(sink, options);
  const pointer = new Pointer(sink, session.display);
  const touchOptions = {
    ...(options.touchMode !== undefined && { mode: options.touchMode }),
    ...(options.zoomed !== undefined && { zoomed: options.zoomed }),
  };
  const touch = new Touch(sink, session.display, touchOptions);
  keyboard.on("key", ({ keysym, pressed }) => session.sendKey(keysym, pressed));
  pointer.on("mouse", (state) => session.sendMouse(state));
  touch.on("mouse", (state) => session.sendMouse(state));
  touch.on("touch", (state) => session.sendTouch(state));
  if (options.pasteText) {
    keyboard.on("paste", ({ data, resume }) => {
      const text = data?.getData("text/plain") ?? "";
      // Both go out before this returns, so the machine has the text when the keys arrive.
      if (text !== "") void session.sendClipboard(text).catch(() => undefined);
      resume();
    });
  }

  const abort = new AbortController();
  // Capture: the modifiers must be right before the press is sent.
  sink.addEventListener(
    "pointerdown",
    (event) => {
      if (event.pointerType !== "touch") keyboard.sync(event);
    },
    { signal: abort.signal, capture: true },
  );
  const ended = session.on("state", ({ state }) => {
    if (state === "disconnecting") releaseAll();
  });
  const unstable = session.on("unstable", (isUnstable) => {
    if (isUnstable) releaseAll();
  });

  function releaseAll(): void {
    keyboard.releaseAll();
    pointer.releaseAll();
    touch.releaseAll();
  }

  return {
    keyboard,
    pointer,
    touch,
    detach() {
      abort.abort();
      ended();
      unstable();
      keyboard.dispose();
      pointer.dispose();
      touch.dispose();
    },
  };
}
