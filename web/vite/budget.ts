import { gzipSync } from "node:zlib";
import type { Plugin, Rollup } from "vite";

/** One step of a way through the app: the bytes of gzipped JavaScript that all steps up to it may load together. */
export interface Budget {
  step: string;
  maxBytes: number;
  /** Chunks the step asks for (file names without folder, digest and ending); what they import is added. */
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

function gzippedBytes(bundle: Rollup.OutputBundle, fileNames: ReadonlySet<string>): number {
  let total = 0;
  for (const fileName of fileNames) {
    const output = bundle[fileName];
    if (output) total += gzipSync(output.type === "chunk" ? output.code : output.source, { level: 9 }).length;
  }
  return total;
}

/**
 * Fails the build when a way through the app would load more script than its budget. Every way is
 * walked from its first step on, as by someone whose browser has nothing yet.
 */
export function budget(...ways: readonly (readonly Budget[])[]): Plugin {
  return {
    name: "budget",
    apply: "build",
    // Only what is written is final: addresses of chunks are filled in late.
    writeBundle(_options, bundle) {
      const lines: string[] = [];
      const over: string[] = [];
      const files = Object.keys(bundle).filter((fileName) => fileName.endsWith(".js"));
      for (const way of ways) {
        const loaded = new Set<string>();
        for (const { step, maxBytes, chunks } of way) {
          for (const chunk of chunks) {
            const found = files.filter((fileName) => nameOf(fileName) === chunk);
            // A chunk that changed its name would otherwise cost nothing.
            if (found.length === 0) this.error(`the budget of ${step} names no chunk of this build: ${chunk}`);
            for (const fileName of found) addWithImports(bundle, fileName, loaded);
          }
          const total = gzippedBytes(bundle, loaded);
          const line = `${step}: ${(total / 1000).toFixed(1)} of ${maxBytes / 1000} kB`;
          if (!lines.includes(line)) lines.push(line);
          if (total > maxBytes * TOLERANCE && !over.includes(line)) over.push(line);
        }
      }
      this.info(`script, gzipped, cumulative: ${lines.join(", ")}`);
      if (over.length > 0) this.error(`over budget: ${over.join(", ")}`);
    },
  };
}
