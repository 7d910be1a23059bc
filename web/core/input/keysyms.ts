/** X11 keysyms: the numbers by which the protocol names keys. */

/** Keysyms of keys that make no character. */
export const Keysym = {
  BackSpace: 0xff08,
  Tab: 0xff09,
  Clear: 0xff0b,
  Return: 0xff0d,
  Pause: 0xff13,
  Scroll_Lock: 0xff14,
  Escape: 0xff1b,
  Multi_key: 0xff20,
  Kanji: 0xff21,
  Muhenkan: 0xff22,
  Henkan: 0xff23,
  Hiragana: 0xff25,
  Katakana: 0xff26,
  Hiragana_Katakana: 0xff27,
  Romaji: 0xff24,
  Zenkaku: 0xff28,
  Hankaku: 0xff29,
  Zenkaku_Hankaku: 0xff2a,
  Kana_Lock: 0xff2d,
  Eisu_toggle: 0xff30,
  Hangul: 0xff31,
  Hangul_Hanja: 0xff34,
  Home: 0xff50,
  Left: 0xff51,
  Up: 0xff52,
  Right: 0xff53,
  Down: 0xff54,
  Page_Up: 0xff55,
  Page_Down: 0xff56,
  End: 0xff57,
  Select: 0xff60,
  Print: 0xff61,
  Execute: 0xff62,
  Insert: 0xff63,
  Undo: 0xff65,
  Redo: 0xff66,
  Menu: 0xff67,
  Find: 0xff68,
  Cancel: 0xff69,
  Help: 0xff6a,
  Mode_switch: 0xff7e,
  Num_Lock: 0xff7f,
  KP_Enter: 0xff8d,
  KP_Home: 0xff95,
  KP_Left: 0xff96,
  KP_Up: 0xff97,
  KP_Right: 0xff98,
  KP_Down: 0xff99,
  KP_Page_Up: 0xff9a,
  KP_Page_Down: 0xff9b,
  KP_End: 0xff9c,
  KP_Begin: 0xff9d,
  KP_Insert: 0xff9e,
  KP_Delete: 0xff9f,
  KP_Multiply: 0xffaa,
  KP_Add: 0xffab,
  KP_Separator: 0xffac,
  KP_Subtract: 0xffad,
  KP_Decimal: 0xffae,
  KP_Divide: 0xffaf,
  KP_0: 0xffb0,
  KP_Equal: 0xffbd,
  F1: 0xffbe,
  F2: 0xffbf,
  F3: 0xffc0,
  F4: 0xffc1,
  F5: 0xffc2,
  F6: 0xffc3,
  F7: 0xffc4,
  F8: 0xffc5,
  F9: 0xffc6,
  F10: 0xffc7,
  F11: 0xffc8,
  F12: 0xffc9,
  Shift_L: 0xffe1,
  Shift_R: 0xffe2,
  Control_L: 0xffe3,
  Control_R: 0xffe4,
  Caps_Lock: 0xffe5,
  Meta_L: 0xffe7,
  Meta_R: 0xffe8,
  Alt_L: 0xffe9,
  Alt_R: 0xffea,
  Super_L: 0xffeb,
  Super_R: 0xffec,
  Hyper_L: 0xffed,
  Hyper_R: 0xffee,
  Delete: 0xffff,
  ISO_Level3_Shift: 0xfe03,
} as const;

/** Name of a key in {@link Keysym}. */
export type KeysymName = keyof typeof Keysym;

/** Keysyms from here on are Unicode code points. */
const UNICODE_BASE = 0x01000000;
const LATIN1_END = 0xff;
/** Control characters that have a key of their own. */
const CONTROL_KEYS: ReadonlyMap<number, number> = new Map([
  [0x08, Keysym.BackSpace],
  [0x09, Keysym.Tab],
  [0x0a, Keysym.Return],
  [0x0d, Keysym.Return],
  [0x1b, Keysym.Escape],
  [0x7f, Keysym.Delete],
]);

/**
 * Keysym of the first character of `text`: Latin-1 as it is, anything above as 0x01000000 plus its
 * code point, control characters as the key that makes them.
 */
export function keysymOf(text: string): number {
  const codePoint = text.codePointAt(0) ?? 0;
  if (codePoint < 0x20 || (codePoint >= 0x7f && codePoint < 0xa0)) {
    return CONTROL_KEYS.get(codePoint) ?? UNICODE_BASE + codePoint;
  }
  return codePoint <= LATIN1_END ? codePoint : UNICODE_BASE + codePoint;
}

/** Left and right keysym (or one for both) of the keys `KeyboardEvent.key` names. */
const NAMED: Readonly<Record<string, number | readonly [left: number, right: number]>> = {
  Again: Keysym.Redo,
  AllCandidates: 0xff3d,
  Alphanumeric: Keysym.Eisu_toggle,
  Alt: [Keysym.Alt_L, Keysym.Alt_R],
  AltGraph: Keysym.ISO_Level3_Shift,
  ArrowDown: Keysym.Down,
  ArrowLeft: Keysym.Left,
  ArrowRight: Keysym.Right,
  ArrowUp: Keysym.Up,
  Backspace: Keysym.BackSpace,
  Cancel: Keysym.Cancel,
  CapsLock: Keysym.Caps_Lock,
  Clear: Keysym.Clear,
  CodeInput: 0xff37,
  Compose: Keysym.Multi_key,
  ContextMenu: Keysym.Menu,
  Control: [Keysym.Control_L, Keysym.Control_R],
  Convert: Keysym.Henkan,
  Delete: Keysym.Delete,
  End: Keysym.End,
  Enter: Keysym.Return,
  Escape: Keysym.Escape,
  Execute: Keysym.Execute,
  Find: Keysym.Find,
  HangulMode: Keysym.Hangul,
  HanjaMode: Keysym.Hangul_Hanja,
  Hankaku: Keysym.Hankaku,
  Help: Keysym.Help,
  Hiragana: Keysym.Hiragana,
  HiraganaKatakana: Keysym.Hiragana_Katakana,
  Home: Keysym.Home,
  Hyper: [Keysym.Hyper_L, Keysym.Hyper_R],
  Insert: Keysym.Insert,
  KanaMode: Keysym.Kana_Lock,
  KanjiMode: Keysym.Kanji,
  Katakana: Keysym.Katakana,
  Meta: [Keysym.Super_L, Keysym.Super_R],
  ModeChange: Keysym.Mode_switch,
  NonConvert: Keysym.Muhenkan,
  NumLock: Keysym.Num_Lock,
  OS: [Keysym.Super_L, Keysym.Super_R],
  PageDown: Keysym.Page_Down,
  PageUp: Keysym.Page_Up,
  Pause: Keysym.Pause,
  PrintScreen: Keysym.Print,
  Redo: Keysym.Redo,
  Romaji: Keysym.Romaji,
  ScrollLock: Keysym.Scroll_Lock,
  Select: Keysym.Select,
  Shift: [Keysym.Shift_L, Keysym.Shift_R],
  Super: [Keysym.Super_L, Keysym.Super_R],
  Tab: Keysym.Tab,
  Undo: Keysym.Undo,
  Zenkaku: Keysym.Zenkaku,
  ZenkakuHankaku: Keysym.Zenkaku_Hankaku,
};

/** What the keys of the number pad are called when they make no character. */
const KEYPAD: Readonly<Record<string, number>> = {
  ArrowDown: Keysym.KP_Down,
  ArrowLeft: Keysym.KP_Left,
  ArrowRight: Keysym.KP_Right,
  ArrowUp: Keysym.KP_Up,
  Clear: Keysym.KP_Begin,
  Delete: Keysym.KP_Delete,
  End: Keysym.KP_End,
  Enter: Keysym.KP_Enter,
  Home: Keysym.KP_Home,
  Insert: Keysym.KP_Insert,
  PageDown: Keysym.KP_Page_Down,
  PageUp: Keysym.KP_Page_Up,
  "*": Keysym.KP_Multiply,
  "+": Keysym.KP_Add,
  ",": Keysym.KP_Separator,
  "-": Keysym.KP_Subtract,
  ".": Keysym.KP_Decimal,
  "/": Keysym.KP_Divide,
  "=": Keysym.KP_Equal,
};

const LOCATION_RIGHT = 2;
const LOCATION_NUMPAD = 3;
const FUNCTION_KEY = /^F([1-9]|1\d|2[0-4])$/;

/** Whether `key` is a character rather than a name. */
export function isCharacter(key: string): boolean {
  return key.length === 1 || (key.length === 2 && (key.codePointAt(0) ?? 0) > 0xffff);
}

/**
 * Keysym for `KeyboardEvent.key` at a `location` (0 standard, 1 left, 2 right, 3 number pad), or
 * `null` for keys the protocol has no name for.
 */
export function keysymForKey(key: string, location: number): number | null {
  if (location === LOCATION_NUMPAD) {
    const keypad = /^\d$/.test(key) ? Keysym.KP_0 + Number(key) : KEYPAD[key];
    if (keypad !== undefined) return keypad;
  }
  if (isCharacter(key)) return keysymOf(key);
  const named = Object.hasOwn(NAMED, key) ? NAMED[key] : undefined;
  if (typeof named === "number") return named;
  if (named !== undefined) return named[location === LOCATION_RIGHT ? 1 : 0];
  const functionKey = FUNCTION_KEY.exec(key);
  return functionKey ? Keysym.F1 - 1 + Number(functionKey[1]) : null;
}
