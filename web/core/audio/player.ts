/** Samples as a machine sends them: signed, 16 bits little-endian, channels interleaved. */
export interface PcmFormat {
  bits: 8 | 16;
  rateHz: number;
  channels: number;
}

/** Types of sound that are played, as a client announces them. */
export const AUDIO_TYPES = ["audio/L8", "audio/L16"] as const;

/** Rates that browsers must support (Web Audio, `createBuffer`). */
const MIN_RATE_HZ = 8000;
const MAX_RATE_HZ = 96_000;
const MAX_CHANNELS = 32;

/** `audio/L16;rate=44100,channels=2` taken apart; `null` for what is not played. */
export function parsePcm(mimetype: string): PcmFormat | null {
  const match = /^audio\/L(8|16);([\w=,; ]+)$/i.exec(mimetype.trim());
  if (match?.[2] === undefined) return null;
  let rateHz = 0;
  let channels = 1;
  for (const parameter of match[2].split(/[,;]\s*/)) {
    const [name, value] = parameter.split("=");
    if (name === "rate") rateHz = Number(value);
    else if (name === "channels") channels = Number(value);
    else return null;
  }
  const whole = Number.isInteger(rateHz) && Number.isInteger(channels);
  if (!whole || rateHz < MIN_RATE_HZ || rateHz > MAX_RATE_HZ || channels < 1 || channels > MAX_CHANNELS) return null;
  return { bits: match[1] === "8" ? 8 : 16, rateHz, channels };
}

/** What is used of an `AudioContext`. */
export type PlayerContext = Pick<
  AudioContext,
  "currentTime" | "state" | "createBuffer" | "createBufferSource" | "createGain" | "destination"
>;

/** Sound that may wait to be played. What comes beyond it is left out: a gap is better than hearing everything late. */
const MAX_AHEAD_S = 0.3;
/** Where nothing waits, sound begins this much later, so that the next piece may be a little late. */
const LEAD_S = 0.04;

/** Plays the sound of one stream, piece after piece. */
export class PcmPlayer {
  readonly #context: PlayerContext;
  readonly #format: PcmFormat;
  readonly #gain: GainNode;
  /** When the last piece ends, on the clock of the context. */
  #endsAt = 0;
  /** Of a frame of which the rest has not come. */
  #rest = new Uint8Array(0);

  constructor(context: PlayerContext, format: PcmFormat) {
    this.#context = context;
    this.#format = format;
    this.#gain = context.createGain();
    this.#gain.connect(context.destination);
  }

  set muted(muted: boolean) {
    this.#gain.gain.value = muted ? 0 : 1;
  }

  /** Plays these bytes after those before. */
  push(bytes: Uint8Array): void {
    const { bits, rateHz, channels } = this.#format;
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const frameBytes = (bits / 8) * channels;
    const frames = Math.floor(all.length / frameBytes);
    this.#rest = all.slice(frames * frameBytes);
    const now = this.#context.currentTime;
    // Before the first click of a user a browser plays nothing, and nobody wants to hear it later.
    const late = this.#endsAt - now > MAX_AHEAD_S;
    if (frames === 0 || late || this.#context.state !== "running") return;

    const buffer = this.#context.createBuffer(channels, frames, rateHz);
    const view = new DataView(all.buffer);
    for (let channel = 0; channel < channels; channel++) {
      const samples = buffer.getChannelData(channel);
      for (let frame = 0; frame < frames; frame++) {
        const at = frame * channels + channel;
        samples[frame] = bits === 8 ? view.getInt8(at) / 0x80 : view.getInt16(at * 2, true) / 0x8000;
      }
    }
    const source = this.#context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.#gain);
    const startsAt = this.#endsAt > now ? this.#endsAt : now + LEAD_S;
    source.start(startsAt);
    this.#endsAt = startsAt + frames / rateHz;
  }

  /** What has been given plays to its end; nothing more is. */
  close(): void {
    const left = Math.max(0, this.#endsAt - this.#context.currentTime);
    setTimeout(() => this.#gain.disconnect(), left * 1000);
  }
}
