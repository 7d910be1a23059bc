import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

import { type Budget, budget } from "./vite/budget.ts";
import { precompress } from "./vite/precompress.ts";

/** Where `npm run dev` finds a daemon (or the mock of tests/app/mock). */
const BACKEND = process.env["GUACD_LITE_DEV_BACKEND"] ?? "http://127.0.0.1:8080";

/** What everyone walks through. */
const TO_HOME: readonly Budget[] = [
  { step: "login", maxBytes: 30_000, chunks: ["index"] },
  { step: "home", maxBytes: 65_000, chunks: ["Header", "Home"] },
];

/** Modules of the client library: none does anything by being imported. */
const CORE = /\/core\/(?:[a-z-]+\/)*[a-z0-9-]+\.ts$/;

export default defineConfig({
  // The page may be served below a context path, so every address in the build is relative.
  base: "./",
  publicDir: "app/public",
  plugins: [
    svelte(),
    budget(
      [
        ...TO_HOME,
        { step: "first picture", maxBytes: 75_000, chunks: ["Client", "paint.worker"] },
        { step: "panel", maxBytes: 120_000, chunks: ["Bar", "Problem", "touch", "Panel"] },
      ],
      [...TO_HOME, { step: "settings", maxBytes: 140_000, chunks: ["Preferences"] }],
    ),
    precompress(),
  ],
  resolve: process.env["VITEST"] ? { conditions: ["browser"] } : {},
  worker: { format: "es" },
  build: {
    outDir: "dist",
    target: "es2023",
    // The content security policy allows neither data: scripts nor inline ones.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      // The library's index re-exports everything; what a page takes from it must not bring the rest.
      treeshake: { moduleSideEffects: [{ test: CORE, sideEffects: false }] },
    },
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "/api": BACKEND,
      "/websocket-tunnel": { target: BACKEND, ws: true },
      "/tunnel": BACKEND,
    },
  },
  test: {
    // Tests that need a document say so in their first line: // @vitest-environment happy-dom
    environment: "node",
    include: ["tests/core/**/*.test.ts", "tests/app/**/*.test.ts"],
    passWithNoTests: true,
  },
});
