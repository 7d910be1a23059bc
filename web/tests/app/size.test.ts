import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { isPixelated, scaleOf, stepZoom } from "../../app/routes/client/zoom";
import { clampSize, type Size, SizeNegotiator } from "../../app/state/size";

const size = (widthPx: number, heightPx: number): Size => ({ widthPx, heightPx });

describe("sizes asked for", () => {
  let sent: Size[];
  let negotiator: SizeNegotiator;

  beforeEach(() => {
    vi.useFakeTimers();
    sent = [];
    negotiator = new SizeNegotiator((asked) => sent.push(asked));
    negotiator.start(size(800, 600));
  });

  afterEach(() => vi.useRealTimers());

  it("go out after a moment of rest, the last one only", () => {
    for (let width = 900; width <= 1000; width += 10) {
      negotiator.want(size(width, 600));
      vi.advanceTimersByTime(100);
    }
    expect(sent).toEqual([]);
    vi.advanceTimersByTime(200);
    expect(sent).toEqual([size(1000, 600)]);
  });

  it("are not sent when the machine has that size", () => {
    negotiator.want(size(800, 600));
    vi.advanceTimersByTime(5000);
    expect(sent).toEqual([]);
  });

  it("wait for the answer to the one before, and the last wins", () => {
    negotiator.want(size(900, 600));
    vi.advanceTimersByTime(200);
    negotiator.want(size(910, 600));
    vi.advanceTimersByTime(200);
    negotiator.want(size(920, 600));
    vi.advanceTimersByTime(200);
    expect(sent).toEqual([size(900, 600)]);
    negotiator.answered();
    expect(sent).toEqual([size(900, 600), size(920, 600)]);
  });

  it("go on after a second when no answer comes", () => {
    negotiator.want(size(900, 600));
    vi.advanceTimersByTime(200);
    negotiator.want(size(950, 600));
    vi.advanceTimersByTime(1000);
    expect(sent).toEqual([size(900, 600), size(950, 600)]);
  });

  it("are never zero, never beyond the bounds", () => {
    expect(clampSize(size(0, 600))).toBeNull();
    expect(clampSize(size(Number.NaN, 600))).toBeNull();
    expect(clampSize(size(3, 20_000))).toEqual(size(64, 8192));
    negotiator.want(size(0, 0));
    vi.advanceTimersByTime(5000);
    expect(sent).toEqual([]);
  });

  it("are not sent for a session that ended", () => {
    negotiator.want(size(900, 600));
    negotiator.stop();
    vi.advanceTimersByTime(5000);
    expect(sent).toEqual([]);
  });
});

describe("zoom", () => {
  it("fits the whole picture, up or down", () => {
    expect(scaleOf("fit", size(2000, 1000), { width: 1000, height: 800 }, 1)).toBe(0.5);
    expect(scaleOf("fit", size(400, 300), { width: 800, height: 900 }, 1)).toBe(2);
  });

  it("is sharp when the picture nearly fills its place", () => {
    expect(scaleOf("fit", size(1596, 1200), { width: 800, height: 600 }, 2)).toBe(0.5);
  });

  it("100 % is one picture pixel on one of the screen", () => {
    expect(scaleOf(1, size(800, 600), { width: 10, height: 10 }, 2)).toBe(0.5);
  });

  it("does not break on a picture or place without size", () => {
    expect(scaleOf("fit", size(0, 0), { width: 800, height: 600 }, 1)).toBe(1);
    expect(scaleOf("fit", size(800, 600), { width: 0, height: 0 }, 1)).toBe(1);
  });

  it("steps by ten per cent within its bounds", () => {
    expect(stepZoom(1, 1)).toBe(1.1);
    expect(stepZoom(0.83, -1)).toBe(0.7);
    expect(stepZoom(4, 1)).toBe(4);
    expect(stepZoom(0.1, -1)).toBe(0.1);
  });

  it("draws whole factors as blocks", () => {
    expect(isPixelated(1, 1)).toBe(true);
    expect(isPixelated(0.5, 2)).toBe(true);
    expect(isPixelated(1.5, 1)).toBe(false);
    expect(isPixelated(0.5, 1)).toBe(false);
  });
});
