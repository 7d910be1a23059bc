/** The part of the Keyboard Lock API that matters; Chromium on https has it. */
interface KeyboardLock {
  lock(codes?: string[]): Promise<void>;
  unlock(): void;
}

/** Full screen with every key the browser lets a page have, and the screen kept awake. */
export class FullScreen {
  on = $state(false);
  /** True when keys like F11 and Esc reach the page too. */
  locked = $state(false);

  #wake: { release(): Promise<void> } | null = null;

  constructor() {
    document.addEventListener("fullscreenchange", this.#changed);
  }

  /** Goes in or out; rejects when the browser refuses. */
  async toggle(): Promise<void> {
    if (document.fullscreenElement) {
      await document.exitFullscreen();
      return;
    }
    // The option is newer than the type definitions.
    const options = { navigationUI: "hide", keyboardLock: "browser" } as FullscreenOptions;
    await document.documentElement.requestFullscreen(options);
    const keyboard = (navigator as Navigator & { keyboard?: KeyboardLock }).keyboard;
    try {
      if (keyboard) {
        await keyboard.lock();
        this.locked = true;
      }
    } catch {
      // The keys the system keeps are offered in the Keys menu.
    }
    try {
      this.#wake = await navigator.wakeLock.request("screen");
    } catch {
      // Low battery, or not offered: the screen sleeps as usual.
    }
  }

  /** Back to the window; the page goes on without. */
  dispose(): void {
    document.removeEventListener("fullscreenchange", this.#changed);
    if (document.fullscreenElement) void document.exitFullscreen();
    this.#left();
  }

  #changed = (): void => {
    this.on = document.fullscreenElement !== null;
    if (!this.on) this.#left();
  };

  #left(): void {
    if (this.locked) (navigator as Navigator & { keyboard?: KeyboardLock }).keyboard?.unlock();
    this.locked = false;
    void this.#wake?.release();
    this.#wake = null;
  }
}
