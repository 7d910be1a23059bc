import { afterEach, describe, expect, it, vi } from "vitest";

import { ApiClient } from "../../app/api/client";
import { ApiError, NetworkError } from "../../app/api/errors";

const json = (status: number, body: unknown): Response =>
  new Response(body === undefined ? null : JSON.stringify(body), { status });

function stub(answer: () => Response | Promise<Response>) {
  const fetch = vi.fn((_url: string, _init: RequestInit) => Promise.resolve(answer()));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

afterEach(() => vi.unstubAllGlobals());

describe("errors of the API", () => {
  it("are read from the body", () => {
    const error = ApiError.from(403, {
      message: "More please.",
      translatableMessage: { key: "LOGIN.INFO_TOTP", variables: null },
      statusCode: null,
      expected: [{ name: "guac-totp", type: "TEXT" }],
      patches: null,
      type: "INSUFFICIENT_CREDENTIALS",
    });
    expect(error).toMatchObject({
      type: "INSUFFICIENT_CREDENTIALS",
      message: "More please.",
      key: "LOGIN.INFO_TOTP",
      httpStatus: 403,
      statusCode: null,
    });
    expect(error.expected).toEqual([{ name: "guac-totp", type: "TEXT" }]);
  });

  it.each([
    [401, "PERMISSION_DENIED"],
    [403, "PERMISSION_DENIED"],
    [404, "NOT_FOUND"],
    [400, "BAD_REQUEST"],
    [429, "BAD_REQUEST"],
    [500, "INTERNAL_ERROR"],
    [502, "INTERNAL_ERROR"],
  ] as const)("fall back to the meaning of HTTP %i", (status, type) => {
    for (const body of [null, "text", 7, {}, { type: "NEWS" }, { type: 5, expected: "x", message: null }]) {
      const error = ApiError.from(status, body);
      expect(error.type).toBe(type);
      expect(error.message).not.toBe("");
      expect(error.expected).toEqual([]);
    }
  });

  it("drop fields that are not fields", () => {
    const error = ApiError.from(403, { type: "INVALID_CREDENTIALS", expected: [null, 1, { name: "a" }, { name: "a", type: "TEXT" }] });
    expect(error.expected).toHaveLength(1);
  });
});

describe("the API client", () => {
  it("sends the header that asks for and guards the cookie, and no token anywhere", async () => {
    const fetch = stub(() => json(200, { authToken: "", username: "a", dataSource: "d", availableDataSources: ["d"] }));
    await new ApiClient().login({ username: "a", password: "b c&d" });
    const [url, init] = fetch.mock.calls[0] ?? [];
    expect(url).toBe("api/tokens");
    expect((init?.headers as Record<string, string>)["Guacamole-Cookie"]).toBe("1");
    expect(String(init?.body)).toBe("username=a&password=b+c%26d");
    expect(init?.credentials).toBe("same-origin");
  });

  it("escapes what goes into a path", async () => {
    const fetch = stub(() => json(200, {}));
    await new ApiClient().connection("my sql", "a/b?c");
    expect(fetch.mock.calls[0]?.[0]).toBe("api/session/data/my%20sql/connections/a%2Fb%3Fc");
  });

  it("understands answers without a body", async () => {
    stub(() => json(204, undefined));
    await expect(new ApiClient().logout()).resolves.toBeNull();
  });

  it("tells a lost network from an answer", async () => {
    stub(() => Promise.reject(new TypeError("failed")));
    await expect(new ApiClient().tree("d")).rejects.toBeInstanceOf(NetworkError);
    stub(() => new Response("<html>bad gateway</html>", { status: 502 }));
    await expect(new ApiClient().tree("d")).rejects.toMatchObject({ type: "INTERNAL_ERROR", httpStatus: 502 });
  });

  it("says when the login may be lost, but not about the login itself", async () => {
    const api = new ApiClient();
    api.onLoginLost = vi.fn();
    stub(() => json(403, { type: "PERMISSION_DENIED", message: "Permission Denied." }));
    await expect(api.login()).rejects.toBeInstanceOf(ApiError);
    expect(api.onLoginLost).not.toHaveBeenCalled();
    await expect(api.tree("d")).rejects.toBeInstanceOf(ApiError);
    expect(api.onLoginLost).toHaveBeenCalledOnce();
  });

  it("ends sessions as stock does", async () => {
    const fetch = stub(() => json(204, undefined));
    await new ApiClient().endActiveConnections("d", ["u1"]);
    expect(fetch.mock.calls[0]?.[1].method).toBe("PATCH");
    expect(fetch.mock.calls[0]?.[1].body).toBe('[{"op":"remove","path":"/u1"}]');
  });
});
