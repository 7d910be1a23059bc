// @vitest-environment happy-dom
import { describe, expect, it, vi } from "vitest";

import type { ApiClient } from "../../app/api/client";
import { ApiError } from "../../app/api/errors";
import type { AppState } from "../../app/state/app";
import { Login } from "../../app/state/login.svelte";
import { Navigation } from "../../app/state/navigation.svelte";
import { Toasts } from "../../app/state/toasts.svelte";
import { visit } from "../../app/state/visit";

const KEY = "k".repeat(44);
const VISITOR = { authToken: "", username: "", dataSource: "d-shared", availableDataSources: ["d-shared"] };
const OWNER = { authToken: "", username: "ada", dataSource: "d", availableDataSources: ["d"] };

function make(login: (fields: Record<string, string>) => Promise<unknown>) {
  const api = {
    login: vi.fn((fields: Record<string, string> = {}) => login(fields)),
    connection: vi.fn((source: string, id: string) =>
      source === "d-shared" && id === KEY ? Promise.resolve({ name: "shell" }) : Promise.reject(new Error("none")),
    ),
    onLoginLost: () => {},
  } as unknown as ApiClient;
  const app = { api, login: new Login(api), nav: new Navigation(), toasts: new Toasts() } as unknown as AppState;
  return { app, api };
}

const refused = (): ApiError =>
  new ApiError(403, "INVALID_CREDENTIALS", "no", [{ name: "username", type: "USERNAME" }]);

describe("a link to somebody's session", () => {
  it("logs in by its key and opens the picture, with the key in no address", async () => {
    const { app, api } = make(() => Promise.resolve(VISITOR));
    location.hash = `#/?key=${KEY}`;
    await visit(app, KEY);
    expect(api.login).toHaveBeenCalledWith({ key: KEY });
    expect(app.nav.route).toEqual({
      page: "client",
      targets: [{ type: "c", id: KEY, dataSource: "d-shared" }],
    });
    expect(location.hash).toBe("#/");
  });

  it("that is no longer valid says so and asks for a login", async () => {
    const { app } = make(() => Promise.reject(refused()));
    await visit(app, KEY);
    expect(app.toasts.list.map((toast) => toast.tone)).toEqual(["bad"]);
    expect([app.login.phase, app.login.problem]).toEqual(["out", null]);
  });

  it("that is no longer valid leaves somebody who is logged in where he is", async () => {
    const { app } = make(() => Promise.resolve(OWNER));
    await visit(app, KEY);
    expect(app.toasts.list).toHaveLength(1);
    expect([app.login.phase, app.nav.route.page]).toEqual(["in", "home"]);
  });
});
