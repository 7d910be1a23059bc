/** Something the search field can find. */
export interface Candidate {
  /** Stable and unique among the candidates. */
  key: string;
  /** What is shown and searched first. */
  title: string;
  /** Searched too, and worth less: group path, protocol, synonyms. */
  extra?: string;
  /** Milliseconds since 1970 of the latest use; decides between equal matches. */
  lastUsedMs?: number;
  /** Worth more than an equal match below it; running sessions before machines. */
  boost?: number;
}

/** A candidate that matches, with the letters of the title that did (for marking). */
export interface Match<T extends Candidate> {
  item: T;
  score: number;
  marks: readonly number[];
}

const PREFIX = 4000;
const WORD_START = 3000;
const INSIDE = 2000;
const IN_ORDER = 1000;
/** Extra text never beats the title in the same way of matching. */
const EXTRA_PENALTY = 500;

const ASCII = /^[\0-\x7f]*$/;

/** Lower case, accents removed, so that "e" finds "é". */
export function fold(text: string): string {
  // Taking accents apart is slow, and most names have none.
  return ASCII.test(text) ? text.toLowerCase() : text.normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase();
}

const folded = new WeakMap<Candidate, { title: string; extra: string }>();

/** Folding thousands of names at every letter typed would be felt; each is folded once. */
function foldedOf(item: Candidate): { title: string; extra: string } {
  let texts = folded.get(item);
  if (!texts) {
    texts = { title: fold(item.title), extra: item.extra === undefined ? "" : fold(item.extra) };
    folded.set(item, texts);
  }
  return texts;
}

function isWordStart(text: string, index: number): boolean {
  return index === 0 || !/[\p{L}\p{N}]/u.test(text[index - 1] ?? "");
}

/** Where the letters of a term are, for marking; only asked for what is shown. */
type Marks = Set<number>;

function addRange(marks: Marks | null, from: number, length: number): void {
  if (marks) for (let at = from; at < from + length; at++) marks.add(at);
}

/** Score of one term in one text; 0 when it is not there. */
function matchTerm(text: string, term: string, marks: Marks | null): number {
  const first = text.indexOf(term);
  if (first === 0) {
    addRange(marks, 0, term.length);
    return PREFIX;
  }
  for (let at = first; at >= 0; at = text.indexOf(term, at + 1)) {
    if (!isWordStart(text, at)) continue;
    addRange(marks, at, term.length);
    return WORD_START - Math.min(at, 200);
  }
  if (first > 0) {
    addRange(marks, first, term.length);
    return INSIDE - Math.min(first, 200);
  }
  let gaps = 0;
  let at = -1;
  for (const letter of term) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) return 0;
    if (at >= 0) gaps += next - at - 1;
    at = next;
  }
  if (marks) {
    at = -1;
    for (const letter of term) {
      at = text.indexOf(letter, at + 1);
      addRange(marks, at, letter.length);
    }
  }
  return IN_ORDER - Math.min(gaps * 10, 800);
}

/** Score of all terms in a candidate; 0 when one of them is nowhere. */
function scoreOf(item: Candidate, terms: readonly string[]): number {
  const { title, extra } = foldedOf(item);
  let score = 1;
  for (const term of terms) {
    const inTitle = matchTerm(title, term, null);
    if (inTitle > 0) {
      score += inTitle;
      continue;
    }
    const inExtra = extra === "" ? 0 : matchTerm(extra, term, null);
    // Letters scattered over a long path match nearly anything: only whole pieces count there.
    if (inExtra <= IN_ORDER) return 0;
    score += inExtra - EXTRA_PENALTY;
  }
  return score + BOOST_RANGE + (item.boost ?? 0);
}

function marksOf(item: Candidate, terms: readonly string[]): number[] {
  const { title } = foldedOf(item);
  // Folding keeps the length of nearly every text; where not, nothing is marked.
  if (title.length !== item.title.length) return [];
  const marks: Marks = new Set();
  for (const term of terms) matchTerm(title, term, marks);
  return [...marks];
}

/** Keeps every match above zero, whatever it is boosted by. */
const BOOST_RANGE = 10_000;

/**
 * Ranks candidates for what was typed: prefix before word start before inside before letters in
 * order, the title before other text; every word typed has to match. Equal matches: the latest
 * used first, then the shorter, then by name. With nothing typed all of them, latest used first.
 */
export function rank<T extends Candidate>(candidates: readonly T[], query: string, limit = 50): Match<T>[] {
  const terms = fold(query).split(/\s+/).filter((term) => term !== "");
  const found: { item: T; score: number; title: string }[] = [];
  for (const item of candidates) {
    const score = scoreOf(item, terms);
    if (score > 0) found.push({ item, score, title: foldedOf(item).title });
  }
  // Plain comparison, not the language's: thousands of names are compared at every letter. The
  // shorter name first puts numbers at their end in order.
  found.sort(
    (a, b) =>
      b.score - a.score ||
      (b.item.lastUsedMs ?? 0) - (a.item.lastUsedMs ?? 0) ||
      (terms.length > 0 ? a.title.length - b.title.length : 0) ||
      (a.title < b.title ? -1 : a.title > b.title ? 1 : 0),
  );
  return found.slice(0, limit).map(({ item, score }) => ({ item, score, marks: marksOf(item, terms) }));
}
