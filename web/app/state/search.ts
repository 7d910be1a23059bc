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

/** Lower case, accents removed, so that "e" finds "é". */
export function fold(text: string): string {
  return text.normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase();
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

function range(from: number, length: number): number[] {
  return Array.from({ length }, (_, offset) => from + offset);
}

/** Score and places of one term in one text; `null` when it is not there. */
function matchTerm(text: string, term: string): { score: number; marks: number[] } | null {
  if (text.startsWith(term)) return { score: PREFIX, marks: range(0, term.length) };
  let inside = -1;
  for (let at = text.indexOf(term); at >= 0; at = text.indexOf(term, at + 1)) {
    if (isWordStart(text, at)) return { score: WORD_START - Math.min(at, 200), marks: range(at, term.length) };
    if (inside < 0) inside = at;
  }
  if (inside >= 0) return { score: INSIDE - Math.min(inside, 200), marks: range(inside, term.length) };
  const marks: number[] = [];
  let gaps = 0;
  let at = -1;
  for (const letter of term) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) return null;
    if (at >= 0) gaps += next - at - 1;
    marks.push(next);
    at = next;
  }
  return { score: IN_ORDER - Math.min(gaps * 10, 800), marks };
}

/**
 * Ranks candidates for what was typed: prefix before word start before inside before letters in
 * order, the title before other text; every word typed has to match. Equal matches: the latest
 * used first, then the shorter, then by name. With nothing typed all of them, latest used first.
 */
export function rank<T extends Candidate>(candidates: readonly T[], query: string, limit = 50): Match<T>[] {
  const terms = fold(query).split(/\s+/).filter((term) => term !== "");
  const matches: Match<T>[] = [];
  for (const item of candidates) {
    const { title, extra } = foldedOf(item);
    let score = item.boost ?? 0;
    const marks = new Set<number>();
    let found = true;
    for (const term of terms) {
      const inTitle = matchTerm(title, term);
      if (inTitle) {
        score += inTitle.score;
        // Folding keeps the length of nearly every text; where not, nothing is marked.
        if (title.length === item.title.length) for (const mark of inTitle.marks) marks.add(mark);
        continue;
      }
      const inExtra = extra === "" ? null : matchTerm(extra, term);
      // Letters scattered over a long path match nearly anything: only whole pieces count there.
      if (!inExtra || inExtra.score <= IN_ORDER) {
        found = false;
        break;
      }
      score += inExtra.score - EXTRA_PENALTY;
    }
    if (found) matches.push({ item, score, marks: [...marks] });
  }
  matches.sort(
    (a, b) =>
      b.score - a.score ||
      (b.item.lastUsedMs ?? 0) - (a.item.lastUsedMs ?? 0) ||
      (terms.length > 0 ? a.item.title.length - b.item.title.length : 0) ||
      a.item.title.localeCompare(b.item.title, undefined, { numeric: true }),
  );
  return matches.slice(0, limit);
}
