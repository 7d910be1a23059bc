import { beforeEach, describe, expect, it } from "vitest";

import { parsePcm, PcmPlayer, type PlayerContext } from "../../core/audio/player.ts";

/** A clock, and what was given to it to play. */
class FakeContext {
  currentTime = 10;
  state: AudioContextState = "running";
  destination = {};
  gain = { value: 1 };
  played: { at: number; channels: number[][] }[] = [];

  createGain(): unknown {
    return { gain: this.gain, connect: () => undefined, disconnect: () => undefined };
  }
  createBuffer(channels: number, frames: number): unknown {
    const data = Array.from({ length: channels }, () => new Float32Array(frames));
    return { getChannelData: (channel: number) => data[channel], data };
  }
  createBufferSource(): unknown {
    const source = {
      buffer: null as { data: Float32Array[] } | null,
      connect: () => undefined,
      start: (at: number) => {
        this.played.push({ at, channels: (source.buffer?.data ?? []).map((samples) => [...samples]) });
      },
    };
    return source;
  }
}

let context: FakeContext;
const player = (bits: 8 | 16, rateHz: number, channels: number): PcmPlayer =>
  new PcmPlayer(context as unknown as PlayerContext, { bits, rateHz, channels });

beforeEach(() => {
  context = new FakeContext();
});

describe("types of sound", () => {
  it("reads rate and channels, and nothing it would not play", () => {
    expect(parsePcm("audio/L16;rate=44100,channels=2")).toEqual({ bits: 16, rateHz: 44_100, channels: 2 });
    expect(parsePcm("audio/L8;rate=22050")).toEqual({ bits: 8, rateHz: 22_050, channels: 1 });
    for (const type of ["audio/L16", "audio/L24;rate=8000", "audio/L16;rate=0", "audio/L16;rate=x", "audio/L16;rate=44100,channels=0", "audio/L16;rate=44100,codec=1", "audio/ogg"]) {
      expect(parsePcm(type), type).toBeNull();
    }
  });
});

describe("a player", () => {
  it("plays piece after piece without a gap, each channel apart", () => {
    const sound = player(16, 8000, 2);
    sound.push(new Uint8Array([0, 0x40, 0, 0xc0, 0xff, 0x7f, 0, 0x80]));
    sound.push(new Uint8Array(8));
    expect(context.played[0]?.channels).toEqual([[0.5, 0x7fff / 0x8000], [-0.5, -1]]);
    expect(context.played.map(({ at }) => at)).toEqual([10.04, 10.04 + 2 / 8000]);
  });

  it("takes eight bits as signed and joins a frame that came in two pieces", () => {
    const sound = player(8, 8000, 2);
    sound.push(new Uint8Array([0x40, 0x80, 0xc0]));
    sound.push(new Uint8Array([0x20]));
    expect(context.played.map(({ channels }) => channels)).toEqual([[[0.5], [-1]], [[-0.5], [0.25]]]);
  });

  it("leaves out what comes while 0.3 s wait, and begins anew after a pause", () => {
    const sound = player(8, 8000, 1);
    for (let i = 0; i < 10; i++) sound.push(new Uint8Array(800));
    expect(context.played).toHaveLength(3);
    context.currentTime = 20;
    sound.push(new Uint8Array(800));
    expect(context.played.at(-1)?.at).toBeCloseTo(20.04);
  });

  it("plays nothing before the browser allows it, and not later either", () => {
    const sound = player(8, 8000, 1);
    context.state = "suspended";
    sound.push(new Uint8Array(800));
    context.state = "running";
    sound.push(new Uint8Array(80));
    expect(context.played.map(({ channels }) => channels[0]?.length)).toEqual([80]);
  });

  it("is silent while muted and goes on in time", () => {
    const sound = player(8, 8000, 1);
    sound.muted = true;
    sound.push(new Uint8Array(800));
    expect([context.gain.value, context.played.length]).toEqual([0, 1]);
    sound.muted = false;
    expect(context.gain.value).toBe(1);
  });
});
