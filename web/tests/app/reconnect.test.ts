import { describe, expect, it } from "vitest";

import { GIVE_UP_AFTER_MS, OWN_SEAT_MS, ReconnectPlan } from "../../app/state/reconnect";
import { GuacamoleError, Status } from "../../core";

const lost = new GuacamoleError(Status.UPSTREAM_TIMEOUT, "", "tunnel");
const off = new GuacamoleError(Status.UPSTREAM_UNAVAILABLE, "", "server");
const middle = (): number => 0.5;

describe("reconnecting", () => {
  it("waits 1, 2, 4, 8, then 15 seconds", () => {
    const plan = new ReconnectPlan(middle);
    expect([0, 1, 2, 3, 4, 5, 6].map(() => plan.next(off, 0))).toEqual([1000, 2000, 4000, 8000, 15000, 15000, 15000]);
  });

  it("comes back at once where the gateway is lost, and then at least every 5 seconds", () => {
    const plan = new ReconnectPlan(middle);
    expect([0, 1, 2, 3, 4, 5, 6].map(() => plan.next(lost, 0))).toEqual([250, 1000, 2000, 4000, 5000, 5000, 5000]);
  });

  it("may be told that a refusal was none", () => {
    const plan = new ReconnectPlan(middle);
    const refused = new GuacamoleError(Status.CLIENT_UNAUTHORIZED, "", "tunnel");
    expect(plan.next(refused, 0)).toBeNull();
    expect(plan.again(refused, 0)).toBe(250);
    expect(plan.again(refused, GIVE_UP_AFTER_MS)).toBeNull();
  });

  it("waits for the seat that a lost session still holds, for as long as others take to free it", () => {
    const plan = new ReconnectPlan(middle);
    const taken = new GuacamoleError(Status.RESOURCE_CONFLICT, "", "server");
    expect(plan.next(taken, 0)).toBeNull();
    expect(plan.next(lost, 1000)).toBe(250);
    expect(plan.next(taken, 2000)).toBe(2000);
    expect(plan.next(taken, 1000 + OWN_SEAT_MS)).toBeNull();
  });

  it("varies by a fifth, so that not all come back at once", () => {
    expect(new ReconnectPlan(() => 0).next(off, 0)).toBe(800);
    expect(new ReconnectPlan(() => 1).next(off, 0)).toBe(1200);
  });

  it("asks a full gateway every 15 seconds", () => {
    const busy = new GuacamoleError(Status.SERVER_BUSY, "", "tunnel");
    expect(new ReconnectPlan(middle).next(busy, 0)).toBe(15000);
  });

  it("gives up after five minutes", () => {
    const plan = new ReconnectPlan(middle);
    expect(plan.next(lost, 1000)).not.toBeNull();
    expect(plan.next(lost, 1000 + GIVE_UP_AFTER_MS - 1)).not.toBeNull();
    expect(plan.next(lost, 1000 + GIVE_UP_AFTER_MS)).toBeNull();
  });

  it("never knocks again at a machine whose certificate is refused", () => {
    for (const words of ["has changed since", "is not trusted: expired", "is none of the configured ones"]) {
      const refused = new GuacamoleError(Status.UPSTREAM_ERROR, `the server's certificate ${words}`, "server");
      expect(new ReconnectPlan(middle).next(refused, 0)).toBeNull();
    }
  });

  it("starts anew after a success", () => {
    const plan = new ReconnectPlan(middle);
    plan.next(lost, 0);
    plan.next(lost, 0);
    plan.reset();
    expect(plan.attempt).toBe(0);
    expect(plan.next(lost, GIVE_UP_AFTER_MS * 2)).toBe(250);
  });

  it.each(["CLIENT_UNAUTHORIZED", "CLIENT_FORBIDDEN", "CLIENT_TOO_MANY", "RESOURCE_NOT_FOUND", "SESSION_CONFLICT", "SESSION_CLOSED", "SUCCESS"] as const)(
    "never repeats %s",
    (name) => {
      for (const origin of ["tunnel", "server"] as const) {
        expect(new ReconnectPlan(middle).next(new GuacamoleError(Status[name], "", origin), 0)).toBeNull();
      }
    },
  );

  it.each(["SERVER_ERROR", "SERVER_BUSY", "UPSTREAM_TIMEOUT", "UPSTREAM_ERROR", "UPSTREAM_NOT_FOUND", "UPSTREAM_UNAVAILABLE", "CLIENT_TIMEOUT"] as const)(
    "tries again after %s",
    (name) => {
      expect(new ReconnectPlan(middle).next(new GuacamoleError(Status[name], "", "server"), 0)).not.toBeNull();
    },
  );
});
