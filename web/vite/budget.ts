import { gzipSync } from "node:zlib";
import type { Plugin, Rollup } from "vite";

/** Bytes of gzipped JavaScript that a page opened by its address may load, and the chunks it starts from. */
export interface Budget {
  page: string;
  maxBytes: number;
  /** Names of chunks (file names without folder, digest and ending). */
  chunks: readonly string[];
}

/** What may be over before the build fails: compressors differ a little. */
const TOLERANCE = 1.03;

function nameOf(fileName: string): string {
  return fileName.replace(/^.*\//, "").replace(/-[\w-]{8}\.js$/, "");
}

/** Adds `chunk` and everything it imports at once. */
function addWithImports(bundle: Rollup.OutputBundle, fileName: string, into: Set<string>): void {
  if (into.has(fileName)) return;
  into.add(fileName);
  const output = bundle[fileName];
  if (output?.type !== "chunk") return;
  for (const imported of output.imports) addWithImports(bundle, imported, into);
}

/** Fails the build when a page would load more script than its budget. */
export function budget(budgets: readonly Budget[]): Plugin {
  return {
    name: "budget",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      const lines: string[] = [];
      const over: string[] = [];
      for (const { page, maxBytes, chunks } of budgets) {
        const loaded = new Set<string>();
        for (const fileName of Object.keys(bundle)) {
          if (fileName.endsWith(".js") && chunks.includes(nameOf(fileName))) addWithImports(bundle, fileName, loaded);
        }
        let total = 0;
        for (const fileName of loaded) {
          const output = bundle[fileName];
          if (output) total += gzipSync(output.type === "chunk" ? output.code : output.source, { level: 9 }).length;
        }
        const line = `${page}: ${(total / 1000).toFixed(1)} of ${maxBytes / 1000} kB`;
        lines.push(line);
        if (total > maxBytes * TOLERANCE) over.push(line);
      }
      this.info(`script, gzipped: ${lines.join(", ")}`);
      if (over.length > 0) this.error(`over budget: ${over.join(", ")}`);
    },
  };
}
