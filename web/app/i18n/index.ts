import { common } from "./en/common";
import type { client } from "./en/client";
import type { files } from "./en/files";
import type { home } from "./en/home";
import type { inside } from "./en/inside";
import type { session } from "./en/session";
import type { visit } from "./en/visit";
import { format, type Params } from "./format";

/** Every message of the app; a page's own part is loaded with that page. */
export type Catalogue = typeof common &
  typeof inside &
  typeof home &
  typeof client &
  typeof files &
  typeof session &
  typeof visit;

/** The name of a message. */
export type MessageKey = keyof Catalogue;

/** One part of the catalogue in one language; absent keys fall back to English. */
export type Part = Partial<Record<MessageKey, string>>;

/** Languages the app is translated to, each by its own name. English is compiled in. */
export const LANGUAGES = { en: "English" } as const;

/** A language code of `LANGUAGES`. */
export type Language = keyof typeof LANGUAGES;

let language: Language = "en";
const messages = new Map<string, string>(Object.entries(common));

/** Adds a page's messages; called once by the page's chunk before it draws. */
export function addMessages(part: Part): void {
  for (const [key, text] of Object.entries(part)) messages.set(key, text);
}

/** Sets the language of numbers, dates and plurals, and of the document. */
export function setLanguage(next: Language): void {
  language = next;
  document.documentElement.lang = next;
}

/** The message `key` with its parameters filled in; the key itself where nothing is known. */
export function t(key: MessageKey, params: Params = {}): string {
  const pattern = messages.get(key);
  return pattern === undefined ? key : format(pattern, params, language);
}

/** How long ago `epochMs` was, in words ("5 minutes ago"). */
export function ago(epochMs: number, nowMs = Date.now()): string {
  const seconds = Math.round((epochMs - nowMs) / 1000);
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [
    ["year", 31_536_000],
    ["month", 2_592_000],
    ["week", 604_800],
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
  ];
  const words = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) return words.format(Math.round(seconds / size), unit);
  }
  return words.format(0, "second");
}

/** A duration in the two largest units that matter ("1 h 12 min", "42 s"). */
export function duration(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  if (hours > 0) return t("time.hours", { hours, minutes });
  if (minutes > 0) return t("time.minutes", { minutes });
  return t("time.seconds", { seconds: total });
}

/** A date and time of day in the reader's manner. */
export function dateTime(epochMs: number): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(epochMs);
}

/** A number of bytes in a unit that reads well ("1.4 MB"). */
export function bytes(count: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: units[unit] ?? "byte",
    unitDisplay: unit === 0 ? "long" : "short",
    maximumFractionDigits: unit === 0 || value >= 100 ? 0 : 1,
  }).format(value);
}

/** A number in the reader's manner. */
export function number(value: number, maximumFractionDigits = 0): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits }).format(value);
}
