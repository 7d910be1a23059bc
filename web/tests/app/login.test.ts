// @vitest-environment happy-dom
import { describe, expect, it, vi } from "vitest";

import type { ApiClient } from "../../app/api/client";
import { ApiError, NetworkError } from "../../app/api/errors";
import { Login } from "../../app/state/login.svelte";

const USER = { authToken: "", username: "ada", dataSource: "d", availableDataSources: ["d"] };
const FIELDS = [
  { name: "username", type: "USERNAME" },
  { name: "password", type: "PASSWORD" },
];

const invalid = (): ApiError => new ApiError(403, "INVALID_CREDENTIALS", "no", FIELDS);

function make(login: (fields?: Record<string, string>) => Promise<typeof USER>) {
  const api = { login: vi.fn(login), onLoginLost: () => {} };
  return { api, login: new Login(api as unknown as ApiClient) };
}

describe("login", () => {
  it("finds out at the start that the cookie still counts", async () => {
    const { login } = make(() => Promise.resolve(USER));
    expect(login.phase).toBe("checking");
    await login.check();
    expect(login.phase).toBe("in");
    expect(login.name).toBe("ada");
  });

  it("shows the fields the server expects", async () => {
    const fields = [{ name: "pin", type: "PASSWORD" }];
    const { login } = make(() => Promise.reject(new ApiError(403, "INVALID_CREDENTIALS", "no", fields)));
    await login.check();
    expect(login.phase).toBe("out");
    expect(login.fields).toEqual(fields);
    expect(login.problem).toBeNull();
  });

  it("says that the name or password is wrong", async () => {
    const { login } = make(() => Promise.reject(invalid()));
    await login.submit({ username: "ada", password: "x" });
    expect(login.problem).toBe("invalid");
    expect(login.busy).toBe(false);
  });

  it("tells too many attempts, a lost network and a fault of the gateway apart", async () => {
    for (const [error, problem] of [
      [new ApiError(429, "BAD_REQUEST", "wait"), "tooMany"],
      [new NetworkError("gone"), "network"],
      [new ApiError(500, "INTERNAL_ERROR", "oops"), "server"],
    ] as const) {
      const { login } = make(() => Promise.reject(error));
      await login.submit({ username: "a", password: "b" });
      expect(login.problem).toBe(problem);
    }
  });

  it("keeps the answers of earlier steps", async () => {
    const { api, login } = make((fields) =>
      fields?.["guac-totp"] === "123456"
        ? Promise.resolve(USER)
        : Promise.reject(new ApiError(403, "INSUFFICIENT_CREDENTIALS", "Code?", [{ name: "guac-totp", type: "TEXT" }])),
    );
    await login.submit({ username: "ada", password: "pw" });
    expect(login.continued).toBe(true);
    expect(login.message).toBe("Code?");
    await login.submit({ "guac-totp": "123456" });
    expect(api.login).toHaveBeenLastCalledWith({ username: "ada", password: "pw", "guac-totp": "123456" });
    expect(login.phase).toBe("in");
    expect(login.continued).toBe(false);
  });

  it("explains what is wrong with a new password", async () => {
    const fields = [{ name: "new-password", type: "PASSWORD" }];
    const answers = ["LOGIN.INFO_PASSWORD_EXPIRED", "LOGIN.ERROR_PASSWORD_MISMATCH"];
    const { login } = make(() =>
      Promise.reject(new ApiError(403, "INSUFFICIENT_CREDENTIALS", "text", fields, null, answers.shift() ?? null)),
    );
    await login.submit({ username: "ada", password: "old" });
    expect([login.expired, login.problem, login.message]).toEqual([true, null, "text"]);
    await login.submit({ "new-password": "a" });
    expect([login.expired, login.problem, login.message]).toEqual([false, "passwordMismatch", null]);
    expect(login.fields).toEqual(fields);
  });

  it("stays in when only the network is gone, and keeps the page when the login ended", async () => {
    let answer: () => Promise<typeof USER> = () => Promise.resolve(USER);
    const { login } = make(() => answer());
    await login.check();
    answer = () => Promise.reject(new NetworkError("gone"));
    await login.check();
    expect(login.phase).toBe("in");
    answer = () => Promise.reject(invalid());
    await login.check();
    expect(login.phase).toBe("out");
    expect(login.ended).toBe(true);
  });

  it("asks once for callers at the same time", async () => {
    const { api, login } = make(() => Promise.resolve(USER));
    await Promise.all([login.check(), login.check(), login.check()]);
    expect(api.login).toHaveBeenCalledOnce();
  });
});
