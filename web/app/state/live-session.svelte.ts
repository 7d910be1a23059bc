import {
  ChainedTunnel,
  type ConnectParams,
  Display,
  GuacamoleError,
  isRetryable,
  Keysym,
  type KeysymName,
  type ReadStream,
  Session,
  Status,
  WebSocketTunnel,
} from "../../core";
import { type ApiClient, OWN_PAGE } from "../api/client";
import type { Field } from "../api/types";
import type { Target } from "../router";
import { MachineClipboard } from "./clipboard.svelte";
import { startPaintWorker } from "./paint-worker";
import { keepPicture, PICTURE_SIZE } from "./pictures";
import type { Zoom } from "./prefs.svelte";
import { ReconnectPlan } from "./reconnect";
import { clampSize, type Size, SizeNegotiator } from "./size";
import type { Sound } from "./sound";
import type { Stage } from "./status";
import type { Transfers } from "./transfers.svelte";

/** Where a session stands, as the page shows it and as tests read it. */
export type LiveState = "connecting" | "waiting" | "connected" | "unstable" | "frozen" | "reconnecting" | "ended";

/** Why a session is not there. */
export interface Problem {
  code: number;
  stage: Stage;
  message: string;
  atMs: number;
  uuid: string | null;
  /** Set when five minutes of trying are over. */
  gaveUp: boolean;
}

/** A question of the machine, to be answered by the user. */
export interface Prompt {
  fields: Field[];
  /** True when an earlier answer was not accepted. */
  again: boolean;
}

/** Files that the machine offers. */
export interface FileSystem {
  object: number;
  name: string;
}

/** What is known of the way the bytes take. */
export interface Figures {
  pingMs: number | null;
  pictureLagMs: number;
  framesPainted: number;
  bytesReceived: number;
  bytesSent: number;
}

/** What a session needs from the app around it. */
export interface SessionHost {
  api: ApiClient;
  /** Keep small pictures for the home page. */
  keepPictures: () => boolean;
  /** The gateway says the login is over: resolves to false when it really is. */
  loginStillValid: () => Promise<boolean>;
  notify: (message: "newSession" | "clipboardStuck") => void;
}

/** Silence after which the picture is shown as old and keys are refused. */
const FROZEN_AFTER_MS = 5000;
const UNSTABLE_AFTER_MS = 1500;
const WATCH_EVERY_MS = 500;
/** Sharper than this costs phones more than it shows. */
const MAX_PHONE_RATIO = 2;

const TYPES = { c: "connection", g: "group", a: "active" } as const;

const NO_FIGURES: Figures = { pingMs: null, pictureLagMs: 0, framesPainted: 0, bytesReceived: 0, bytesSent: 0 };

function stageOf(error: GuacamoleError): Stage {
  return error.origin === "tunnel" ? "G" : error.origin === "server" ? "M" : "F";
}

/** The field a parameter is asked with when the server does not describe it. */
function fallbackField(name: string): Field {
  if (/password|passphrase/.test(name)) return { name, type: "PASSWORD" };
  return { name, type: /key$/.test(name) ? "MULTILINE" : "TEXT" };
}

/** Pixels of the screen per CSS pixel that a session is asked for. */
export function pixelRatio(): number {
  const phone = window.matchMedia("(pointer: coarse)").matches && Math.min(screen.width, screen.height) < 600;
  return phone ? Math.min(MAX_PHONE_RATIO, devicePixelRatio) : devicePixelRatio;
}

/** One session as a person sees it: it outlives the connections that carry it. */
export class LiveSession {
  readonly key: string;
  readonly openedAtMs = Date.now();
  readonly clipboard = new MachineClipboard();

  name = $state("");
  protocol = $state("");
  /** Machine the session is on, as the machine list names it. */
  machineKey = $state("");
  phase = $state<"idle" | "connecting" | "connected" | "reconnecting" | "ended">("idle");
  /** How far connecting got: gateway, machine, sign-in. */
  step = $state<0 | 1 | 2>(0);
  silentMs = $state(0);
  problem = $state.raw<Problem | null>(null);
  retryAtMs = $state<number | null>(null);
  /** Tries made by itself since the session was lost. */
  tries = $state(0);
  awaitingLogin = $state(false);
  prompt = $state.raw<Prompt | null>(null);
  display = $state.raw<Display | null>(null);
  session = $state.raw<Session | null>(null);
  uuid = $state<string | null>(null);
  filesystems = $state.raw<readonly FileSystem[]>([]);
  /** Files on their way; there once the first one is. */
  transfers = $state.raw<Transfers | null>(null);
  /** What plays the machine's sound; there once it plays some. */
  sound = $state.raw<Sound | null>(null);
  muted = $state(false);
  /** Fingers that the machine understands at a time. */
  touches = $state(0);
  figures = $state.raw<Figures>(NO_FIGURES);
  picturePx = $state.raw<Size>({ widthPx: 0, heightPx: 0 });
  zoom = $state<Zoom>("fit");
  /** False where several lines are pasted into a terminal without a question. */
  asksBeforePaste = $state(true);

  #plan = new ReconnectPlan();
  #size = new SizeNegotiator((size) => this.session?.sendSize(size.widthPx, size.heightPx));
  #windowPx: Size | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #asked = 0;
  /** Display of an attempt that has not drawn yet, beside the one that is shown. */
  #attempted: Display | null = null;
  #everConnected = false;
  /** A WebSocket has come through: when one fails later, it is the gateway that is gone, and not the wrong way. */
  #webSocketsPass = false;
  #closed = false;
  #listeners = new AbortController();

  constructor(
    readonly target: Target,
    private readonly host: SessionHost,
  ) {
    this.key = `${target.dataSource}/${target.type}/${target.id}`;
    this.machineKey = this.key;
    const { signal } = this.#listeners;
    window.addEventListener("online", () => this.#wake(), { signal });
    window.addEventListener("offline", () => this.#pause(), { signal });
    document.addEventListener("visibilitychange", () => !document.hidden && this.#wake(), { signal });
    window.addEventListener("pagehide", () => this.session?.disconnect(), { signal });
  }

  /** The one word for where the session stands. */
  get state(): LiveState {
    if (this.phase === "connected") {
      if (this.silentMs >= FROZEN_AFTER_MS) return "frozen";
      return this.silentMs >= UNSTABLE_AFTER_MS ? "unstable" : "connected";
    }
    if (this.phase === "reconnecting" || this.phase === "ended") return this.phase;
    return this.step === 0 ? "connecting" : "waiting";
  }

  /** True while there is a session at the gateway. */
  get live(): boolean {
    return this.phase === "connected";
  }

  /** True when there is something to go back to: a session, or one that is being brought back. */
  get worthKeeping(): boolean {
    return this.#everConnected && this.phase !== "ended";
  }

  /** True when nothing goes on without an answer. */
  get needsUser(): boolean {
    return this.prompt !== null || this.awaitingLogin;
  }

  /** True for terminals, where keys and pasting differ. */
  get terminal(): boolean {
    return this.protocol === "ssh" || this.protocol === "telnet" || this.protocol === "kubernetes";
  }

  /** The picture's place in the window has this size, in device pixels; the first one connects. */
  resize(size: Size): void {
    const clamped = clampSize(size);
    if (!clamped) return;
    this.#windowPx = clamped;
    if (this.phase === "idle") this.open();
    else if (this.phase === "connected") this.#size.want(clamped);
  }

  /** Opens the session, or opens it again; also the answer to "Try now". */
  open(): void {
    if (this.#closed || !this.#windowPx) return;
    this.#endAttempt();
    this.#asked = 0;
    this.step = 0;
    this.phase = this.#everConnected || this.problem ? "reconnecting" : "connecting";
    const socket = new WebSocketTunnel("websocket-tunnel");
    // Most networks let WebSockets through, so most pages never load the other way.
    const other = async () => new (await import("../../core/tunnel/http")).HttpTunnel("tunnel", { headers: OWN_PAGE });
    const tunnel = this.#webSocketsPass ? socket : new ChainedTunnel(socket, other);
    const display = new Display({ worker: startPaintWorker });
    const session = new Session(tunnel, { display });
    this.session = session;
    this.#listen(session, display, socket);
    const params: ConnectParams = {
      dataSource: this.target.dataSource,
      id: this.target.id,
      type: TYPES[this.target.type],
      ...this.#windowPx,
      audio: ["audio/L8", "audio/L16"],
      dpi: Math.floor(96 * pixelRatio()),
    };
    this.#size.start(this.#windowPx);
    session.connect(params);
    // Until the first frame of the new one the last picture stays.
    if (this.display) this.#attempted = display;
    else this.display = display;
  }

  /** A fresh start asked for by the user: the five minutes begin anew. */
  tryNow(): void {
    this.#plan.reset();
    this.tries = 0;
    this.open();
  }

  /** Ends the session; its last picture and the way to open it again stay. */
  disconnect(): void {
    void this.remember();
    this.#endAttempt();
    this.#finish({ code: Status.SUCCESS, stage: "G", message: "", gaveUp: false });
  }

  /** Ends the session for good. */
  close(): void {
    if (this.phase === "connected") void this.remember();
    this.#closed = true;
    this.#endAttempt();
    this.#listeners.abort();
    this.#size.stop();
    this.phase = "ended";
    const display = this.display;
    // The picture may be on its way to the store.
    setTimeout(() => display?.dispose(), 1000);
  }

  /** Answers the machine's question. */
  async answer(values: Record<string, string>): Promise<void> {
    const session = this.session;
    this.prompt = null;
    if (!session) return;
    for (const [name, value] of Object.entries(values)) {
      // Refusals come back as an error of the session, or as the same question again.
      await session.sendArgv(name, value).catch(() => {});
    }
  }

  /** Presses keys together, first to last, and releases them. */
  press(names: readonly (KeysymName | number)[]): void {
    const keysyms = names.map((name) => (typeof name === "number" ? name : Keysym[name]));
    for (const keysym of keysyms) this.session?.sendKey(keysym, true);
    for (const keysym of keysyms.toReversed()) this.session?.sendKey(keysym, false);
  }

  /** What sends and saves files, fetched when it is needed. */
  async withTransfers(): Promise<Transfers> {
    const { Transfers } = await import("./transfers.svelte");
    return (this.transfers ??= new Transfers(this));
  }

  /** Turns the machine's sound off and on, here only. */
  mute(muted: boolean): void {
    this.muted = muted;
    if (this.sound) this.sound.muted = muted;
  }

  async #play(stream: ReadStream): Promise<void> {
    const { Sound } = await import("./sound");
    this.sound ??= new Sound();
    this.sound.muted = this.muted;
    await this.sound.play(stream);
  }

  /** The picture as it is now, small; `null` when there is none. */
  async picture(): Promise<Blob | null> {
    if (!this.display || this.picturePx.widthPx === 0) return null;
    try {
      return await this.display.screenshot({ ...PICTURE_SIZE, type: "image/jpeg" });
    } catch {
      return null;
    }
  }

  /** Keeps the picture for the home page. */
  async remember(): Promise<void> {
    if (!this.host.keepPictures()) return;
    const blob = await this.picture();
    if (blob) await keepPicture(this.machineKey, blob);
  }

  #listen(session: Session, display: Display, socket: WebSocketTunnel): void {
    const mine = (): boolean => this.session === session;
    session.on("state", ({ state }) => {
      if (!mine()) return;
      if (state === "waiting") this.step = 1;
      if (state === "connected") {
        if (socket.uuid !== null) this.#webSocketsPass = true;
        this.#arrived(display);
      }
      if (state === "disconnected") this.#finish({ code: Status.SUCCESS, stage: "M", message: "", gaveUp: false });
    });
    session.on("error", (error) => {
      if (mine()) void this.#failed(error);
    });
    session.on("uuid", (uuid) => {
      if (mine()) this.uuid = uuid;
    });
    session.on("name", (name) => {
      if (mine() && this.name === "") this.name = name;
    });
    session.on("required", ({ names }) => {
      if (mine()) void this.#ask(names);
    });
    session.on("multitouch", (touches) => {
      if (mine()) this.touches = touches;
    });
    session.on("filesystem", (filesystem) => {
      if (mine()) this.filesystems = [...this.filesystems, filesystem];
    });
    session.on("undefine", ({ object }) => {
      if (mine()) this.filesystems = this.filesystems.filter((each) => each.object !== object);
    });
    session.on("file", (file) => {
      this.withTransfers().then(
        (transfers) => transfers.receive(file),
        () => file.stream.cancel(),
      );
    });
    session.on("audio", ({ stream }) => {
      this.#play(stream).catch(() => stream.cancel());
    });
    session.on("clipboard", ({ mimetype, stream }) => {
      void stream
        .blob()
        .then((blob) => this.clipboard.fromMachine(mimetype, blob))
        .catch(() => {});
    });
    display.on("resize", (size) => {
      if (!mine()) return;
      this.#size.answered();
      if (this.display === display) this.picturePx = size;
    });
    this.#watch = setInterval(() => {
      if (!mine()) return;
      this.silentMs = session.silentMs;
      this.figures = session.stats();
    }, WATCH_EVERY_MS);
  }

  #arrived(display: Display): void {
    const again = this.#everConnected && this.#plan.attempt > 0;
    this.#attempted = null;
    if (this.display !== display) {
      this.display?.dispose();
      this.display = display;
    }
    this.picturePx = { widthPx: display.widthPx, heightPx: display.heightPx };
    this.#everConnected = true;
    this.#plan.reset();
    this.tries = 0;
    this.problem = null;
    this.prompt = null;
    this.silentMs = 0;
    this.step = 2;
    this.phase = "connected";
    if (this.#windowPx) this.#size.want(this.#windowPx);
    if (again) this.host.notify("newSession");
    setTimeout(() => void this.remember(), 3000);
  }

  async #ask(names: readonly string[]): Promise<void> {
    this.step = 2;
    this.#asked += 1;
    const again = this.#asked > 1;
    const session = this.session;
    const known = await this.#fieldsOfProtocol();
    if (this.session !== session) return;
    this.prompt = { fields: names.map((name) => known.get(name) ?? fallbackField(name)), again };
  }

  async #fieldsOfProtocol(): Promise<Map<string, Field>> {
    const fields = new Map<string, Field>();
    if (this.uuid === null) return fields;
    try {
      const protocol = await this.host.api.tunnelProtocol(this.uuid);
      if (this.protocol === "") this.protocol = protocol.name;
      for (const form of protocol.connectionForms ?? []) {
        for (const field of form.fields) fields.set(field.name, field);
      }
    } catch {
      // The names alone are enough to ask.
    }
    return fields;
  }

  async #failed(error: GuacamoleError): Promise<void> {
    const stage = stageOf(error);
    const delayMs = this.#plan.next(error, Date.now());
    const gaveUp = delayMs === null && isRetryable(error) && this.#plan.attempt > 0;
    this.#finish({ code: error.code, stage, message: error.message, gaveUp });
    if (delayMs !== null) this.#schedule(delayMs);
    if (error.code !== Status.CLIENT_UNAUTHORIZED || stage !== "G") return;
    const valid = await this.host.loginStillValid();
    if (this.phase !== "ended") return;
    if (!valid) {
      this.awaitingLogin = true;
    } else if (this.#everConnected) {
      // The login is there, so a node that did not know it was mistaken, or could not ask.
      const again = this.#plan.again(error, Date.now());
      if (again !== null) this.#schedule(again);
    }
  }

  #finish(problem: Omit<Problem, "atMs" | "uuid">): void {
    const uuid = this.uuid;
    this.#endAttempt();
    this.problem = { ...problem, atMs: Date.now(), uuid };
    this.phase = "ended";
  }

  #schedule(delayMs: number): void {
    this.phase = "reconnecting";
    this.tries = this.#plan.attempt;
    this.retryAtMs = Date.now() + delayMs;
    if (!navigator.onLine) {
      this.#pause();
      return;
    }
    this.#retry = setTimeout(() => this.open(), delayMs);
  }

  /** Offline there is nothing to try; being back is the moment for the next try. */
  #pause(): void {
    if (this.phase !== "reconnecting") return;
    clearTimeout(this.#retry);
  }

  #wake(): void {
    if (this.phase === "reconnecting" && this.retryAtMs !== null && navigator.onLine) this.open();
  }

  #endAttempt(): void {
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    this.retryAtMs = null;
    this.awaitingLogin = false;
    this.prompt = null;
    this.silentMs = 0;
    this.touches = 0;
    this.filesystems = [];
    const session = this.session;
    this.session = null;
    session?.disconnect();
    this.#attempted?.dispose();
    this.#attempted = null;
    this.#size.stop();
  }
}
