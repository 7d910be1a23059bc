import { LANGUAGES, type Language, setLanguage } from "../i18n";

/** Which theme the user asked for. */
export type Theme = "system" | "light" | "dark";

/** How the picture is sized: as large as fits, or a fixed number of device pixels per pixel. */
export type Zoom = "fit" | number;

/** How one finger steers the pointer. */
export type TouchMode = "direct" | "touchpad";

const STORE_KEY = "guacd-lite.preferences";

interface Stored {
  theme: Theme;
  language: Language;
  pictures: boolean;
  clipboardInStep: boolean;
  touchMode: TouchMode;
}

const DEFAULTS: Stored = {
  theme: "system",
  language: "en",
  pictures: true,
  clipboardInStep: false,
  touchMode: "touchpad",
};

function readStored(): Partial<Stored> {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(STORE_KEY) ?? "{}");
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** Preferences of this browser. Anything unreadable in the store counts as not set. */
export class Preferences {
  theme = $state<Theme>(DEFAULTS.theme);
  language = $state<Language>(DEFAULTS.language);
  /** Keep small pictures of recent machines in this browser. */
  pictures = $state(DEFAULTS.pictures);
  /** Read the local clipboard whenever a session gets the focus. */
  clipboardInStep = $state(DEFAULTS.clipboardInStep);
  touchMode = $state<TouchMode>(DEFAULTS.touchMode);
  /** What the device prefers; decides where `theme` is "system". */
  systemDark = $state(true);

  constructor() {
    const stored = readStored();
    if (stored.theme === "light" || stored.theme === "dark") this.theme = stored.theme;
    if (stored.language !== undefined && stored.language in LANGUAGES) this.language = stored.language;
    if (stored.pictures === false) this.pictures = false;
    if (stored.clipboardInStep === true) this.clipboardInStep = true;
    if (stored.touchMode === "direct") this.touchMode = "direct";
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    this.systemDark = dark.matches;
    dark.addEventListener("change", (event) => {
      this.systemDark = event.matches;
    });
    this.#apply();
  }

  /** True when the page is dark now, by choice or by the device. */
  get dark(): boolean {
    return this.theme === "system" ? this.systemDark : this.theme === "dark";
  }

  /** Changes preferences, applies and keeps them. */
  set(change: Partial<Pick<Stored, "theme" | "language" | "pictures" | "clipboardInStep" | "touchMode">>): void {
    Object.assign(this, change);
    this.#apply();
    try {
      const { theme, language, pictures, clipboardInStep, touchMode } = this;
      localStorage.setItem(STORE_KEY, JSON.stringify({ theme, language, pictures, clipboardInStep, touchMode }));
    } catch {
      // Storage is full or forbidden: the preference lasts as long as this page.
    }
  }

  #apply(): void {
    if (this.theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = this.theme;
    setLanguage(this.language);
  }
}
