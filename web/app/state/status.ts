import { Status } from "../../core";
import { type MessageKey, t } from "../i18n";

/** Who says so: the gateway (or the way to it), the machine, or one transfer. */
export type Stage = "G" | "M" | "F";

/** What the card offers first. */
export type StatusAction = "again" | "home" | "reload" | "login";

interface Entry {
  action: StatusAction;
  label: MessageKey;
  /** Stages with a sentence of their own; all others share one. */
  own?: readonly Stage[];
}

/** The 21 codes of the protocol; every text is in the catalogue under the code's digits. */
const TABLE: Readonly<Record<string, Entry>> = {
  "0000": { action: "again", label: "action.openAgain" },
  "0100": { action: "home", label: "action.home", own: ["F"] },
  "0200": { action: "again", label: "action.tryAgain" },
  "0201": { action: "again", label: "action.tryNow", own: ["F"] },
  "0202": { action: "again", label: "action.tryNow", own: ["M", "F"] },
  "0203": { action: "again", label: "action.tryAgain", own: ["F"] },
  "0204": { action: "home", label: "action.home", own: ["F"] },
  "0205": { action: "again", label: "action.tryAgain", own: ["F"] },
  "0206": { action: "again", label: "action.openAgain", own: ["F"] },
  "0207": { action: "again", label: "action.tryNow", own: ["M"] },
  "0208": { action: "again", label: "action.tryNow", own: ["M"] },
  "0209": { action: "again", label: "action.takeBack" },
  "020A": { action: "again", label: "action.openAgain" },
  "020B": { action: "home", label: "action.home" },
  "0300": { action: "reload", label: "action.reload" },
  "0301": { action: "again", label: "action.tryAgain", own: ["M"] },
  "0303": { action: "home", label: "action.home", own: ["F"] },
  "0308": { action: "again", label: "action.tryNow" },
  "030D": { action: "again", label: "action.openAgain", own: ["F"] },
  "030F": { action: "again", label: "action.openAgain" },
  "031D": { action: "home", label: "action.endOne", own: ["F"] },
};

/** What the gateway says of a machine's certificate, and what to tell of it. */
const CERTIFICATES: readonly [RegExp, "changed" | "untrusted"][] = [
  [/\bcertificate (?:has changed|is none of)\b/, "changed"],
  [/\bcertificate is not trusted\b/, "untrusted"],
];

/** A code nobody knows is explained like this one, with its number. */
const UNKNOWN = "0200";

/** A changed host key has the code of a wrong password; the gateway's words tell them apart. */
function isHostKeyChange(code: number, stage: Stage, message: string): boolean {
  return stage === "M" && code === Status.CLIENT_UNAUTHORIZED && /\bhost key\b.* is not the one\b/.test(message);
}

/** What to tell the user about a status. */
export interface StatusText {
  /** Four hexadecimal digits. */
  digits: string;
  title: string;
  sentence: string;
  action: StatusAction;
  actionLabel: string;
  /** The gateway's own words, where they hold what a person has to compare. */
  quote: string;
}

/** The code as it is written everywhere: four digits, upper case. */
export function digitsOf(code: number): string {
  return code.toString(16).toUpperCase().padStart(4, "0");
}

/**
 * Explains a status: who said it decides the sentence, `machine` is the name shown, `message` what
 * the gateway said.
 */
export function explain(code: number, stage: Stage, machine: string, message = ""): StatusText {
  const digits = digitsOf(code);
  if (isHostKeyChange(code, stage, message)) {
    const [title, sentence] = [t("status.hostKey.title"), t("status.hostKey.text", { machine })];
    return { digits, title, sentence, action: "home", actionLabel: t("action.home"), quote: message };
  }
  const certificate = stage === "M" && CERTIFICATES.find(([words]) => words.test(message));
  if (certificate) {
    const [title, sentence] = [
      t(`status.certificate.${certificate[1]}.title`),
      t(`status.certificate.${certificate[1]}.text`, { machine }),
    ];
    return { digits, title, sentence, action: "home", actionLabel: t("action.home"), quote: message };
  }
  const known = Object.hasOwn(TABLE, digits);
  const row = known ? digits : UNKNOWN;
  const entry = TABLE[row] as Entry;
  const part = entry.own?.includes(stage) ? stage : "text";
  // The login of this page ended: correcting it is another thing than trying again.
  const login = code === Status.CLIENT_UNAUTHORIZED && stage === "G";
  return {
    digits,
    title: known ? t(`status.${row}.title` as MessageKey) : `${t("status.0200.title")} (${digits})`,
    sentence: t(`status.${row}.${part}` as MessageKey, { machine }),
    action: login ? "login" : entry.action,
    actionLabel: t(login ? "action.signIn" : entry.label),
    quote: "",
  };
}
