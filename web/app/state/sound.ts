import { GuacamoleError, type ReadStream, Status } from "../../core";
import { parsePcm, PcmPlayer } from "../../core/audio/player";

/** One for the page: browsers allow few, and it is what the first click wakes. */
let context: AudioContext | null = null;

function sharedContext(): AudioContext {
  if (context) return context;
  const made = new AudioContext({ latencyHint: "interactive" });
  const wake = (): void => void made.resume().catch(() => {});
  for (const gesture of ["pointerdown", "keydown", "touchend"]) {
    window.addEventListener(gesture, wake, { capture: true, passive: true });
  }
  wake();
  return (context = made);
}

/** The sound of one session. */
export class Sound {
  readonly #players = new Set<PcmPlayer>();
  #muted = false;

  set muted(muted: boolean) {
    this.#muted = muted;
    for (const player of this.#players) player.muted = muted;
  }

  /** Plays a stream to its end, or refuses it. */
  async play(stream: ReadStream): Promise<void> {
    const format = parsePcm(stream.mimetype);
    if (!format) {
      stream.cancel(Status.CLIENT_BAD_TYPE, "not supported by this page");
      return;
    }
    const player = new PcmPlayer(sharedContext(), format);
    player.muted = this.#muted;
    this.#players.add(player);
    try {
      await stream.pipe((chunk) => player.push(chunk));
    } catch (error) {
      // The session ended.
      if (!(error instanceof GuacamoleError)) throw error;
    } finally {
      this.#players.delete(player);
      player.close();
    }
  }
}
