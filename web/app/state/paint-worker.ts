import paintUrl from "../../core/display/paint.worker.ts?worker&url";

/** The part of Trusted Types used here; the type definitions do not know it yet. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): {
    createScriptURL(url: string): string;
  };
}

/** The page's policy lets workers start from this one address only. */
const policy = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy("workers", {
  createScriptURL(url) {
    if (url !== paintUrl) throw new TypeError("not one of our workers");
    return url;
  },
});

/** Starts the worker that decodes and paints pictures. */
export function startPaintWorker(): Worker {
  return new Worker(policy ? policy.createScriptURL(paintUrl) : paintUrl, { type: "module" });
}
