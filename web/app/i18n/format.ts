/** Values a message may name. */
export type Params = Readonly<Record<string, string | number>>;

/** `{name}` or `{name, plural, one {…} other {…}}`; branches hold no braces of their own. */
const PLACEHOLDER = /\{(\w+)(?:, plural,((?:\s*(?:=\d+|\w+) \{[^{}]*\})+)\s*)?\}/g;
const BRANCH = /(=\d+|\w+) \{([^{}]*)\}/g;

function plural(count: number, branches: string, language: string): string {
  const texts = new Map<string, string>();
  for (const [, name, text] of branches.matchAll(BRANCH)) {
    if (name !== undefined && text !== undefined) texts.set(name, text);
  }
  const rule = new Intl.PluralRules(language).select(count);
  const text = texts.get(`=${count}`) ?? texts.get(rule) ?? texts.get("other") ?? "";
  return text.replaceAll("#", new Intl.NumberFormat(language).format(count));
}

/**
 * Fills a message pattern in. Understands the part of ICU MessageFormat the catalogue uses:
 * named values and plurals. A value that is not given stays visible as its placeholder.
 */
export function format(pattern: string, params: Params, language: string): string {
  return pattern.replace(PLACEHOLDER, (whole, name: string, branches: string | undefined) => {
    const value = params[name];
    if (value === undefined) return whole;
    if (branches !== undefined) return plural(Number(value), branches, language);
    return typeof value === "number" ? new Intl.NumberFormat(language).format(value) : value;
  });
}
