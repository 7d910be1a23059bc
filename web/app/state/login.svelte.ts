import type { ApiClient } from "../api/client";
import { ApiError, NetworkError } from "../api/errors";
import type { Field, LoginResult } from "../api/types";

/** Where the login stands. */
export type LoginPhase = "checking" | "out" | "in" | "unreachable";

/** Why the last attempt failed, as far as the page explains it. */
export type LoginProblem =
  | "invalid"
  | "tooMany"
  | "network"
  | "server"
  | "passwordSame"
  | "passwordBlank"
  | "passwordMismatch"
  | "notValid"
  | "notAccessible";

/** Message keys of the server that this page has its own sentence for. */
const PROBLEMS: Readonly<Record<string, LoginProblem>> = {
  "LOGIN.ERROR_PASSWORD_SAME": "passwordSame",
  "LOGIN.ERROR_PASSWORD_BLANK": "passwordBlank",
  "LOGIN.ERROR_PASSWORD_MISMATCH": "passwordMismatch",
  "LOGIN.ERROR_NOT_VALID": "notValid",
  "LOGIN.ERROR_NOT_ACCESSIBLE": "notAccessible",
};

const PASSWORD_EXPIRED = "LOGIN.INFO_PASSWORD_EXPIRED";

const FALLBACK_FIELDS: readonly Field[] = [
  { name: "username", type: "USERNAME" },
  { name: "password", type: "PASSWORD" },
];

/** How long to wait before asking an unreachable gateway again. */
const RETRY_MS = 4000;

/** Who is logged in. Holds no token: the browser keeps it in a cookie no script can read. */
export class Login {
  phase = $state<LoginPhase>("checking");
  user = $state.raw<LoginResult | null>(null);
  /** Fields of the current step. */
  fields = $state.raw<readonly Field[]>(FALLBACK_FIELDS);
  /** True from the second step on (second factor, new password): earlier answers are kept. */
  continued = $state(false);
  /** What the server says about this step. */
  message = $state<string | null>(null);
  /** True when this step is about a password that expired. */
  expired = $state(false);
  problem = $state<LoginProblem | null>(null);
  busy = $state(false);
  /** True when a login that was there has ended: the page under the layer is still alive. */
  ended = $state(false);

  /** Called before the page is thrown away on purpose. */
  beforeLeave: () => void = () => {};

  #answers: Record<string, string> = {};
  #checking: Promise<void> | null = null;

  constructor(private readonly api: ApiClient) {
    api.onLoginLost = () => void this.check();
    window.addEventListener("online", () => {
      if (this.phase === "unreachable") void this.check();
    });
  }

  /** Name shown for the user; empty for anonymous visitors. */
  get name(): string {
    return this.user?.username ?? "";
  }

  /** Asks the server whether the cookie still counts; shows the login layer when it does not. */
  check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  /** Sends the answers of this step, together with those of the steps before. */
  async submit(answers: Record<string, string>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = null;
    this.#answers = { ...this.#answers, ...answers };
    try {
      this.#enter(await this.api.login(this.#answers));
    } catch (error) {
      this.#refused(error);
    } finally {
      this.busy = false;
    }
  }

  /** Back to the first step. */
  async restart(): Promise<void> {
    this.#answers = {};
    this.continued = false;
    this.message = null;
    this.problem = null;
    this.fields = FALLBACK_FIELDS;
    await this.check();
  }

  /** Ends the login. The page is loaded anew, so nothing of this user stays in memory. */
  async logout(): Promise<void> {
    const { erasePictures } = await import("./pictures");
    await erasePictures();
    try {
      await this.api.logout();
    } catch {
      // Already gone, or unreachable: the cookie is refused or expires by itself.
    }
    this.beforeLeave();
    location.hash = "#/";
    location.reload();
  }

  async #check(): Promise<void> {
    try {
      this.#enter(await this.api.login());
    } catch (error) {
      if (error instanceof ApiError && error.httpStatus < 500) {
        if (this.phase === "in") this.ended = true;
        this.phase = "out";
        this.fields = error.expected.length > 0 ? error.expected : FALLBACK_FIELDS;
      } else if (this.phase !== "in") {
        this.phase = "unreachable";
        setTimeout(() => {
          if (this.phase === "unreachable") void this.check();
        }, RETRY_MS);
      }
    }
  }

  #enter(user: LoginResult): void {
    // Another person on the same page must not inherit what the first one had open.
    if (this.user && this.user.username !== user.username) {
      this.beforeLeave();
      location.reload();
      return;
    }
    this.#answers = {};
    this.continued = false;
    this.message = null;
    this.problem = null;
    this.ended = false;
    this.user = user;
    this.phase = "in";
  }

  #refused(error: unknown): void {
    if (error instanceof ApiError && error.type === "INSUFFICIENT_CREDENTIALS") {
      this.continued = true;
      this.fields = error.expected;
      this.problem = PROBLEMS[error.key ?? ""] ?? null;
      this.expired = error.key === PASSWORD_EXPIRED;
      this.message = this.problem ? null : error.message;
      return;
    }
    if (error instanceof ApiError && error.httpStatus === 429) {
      this.problem = "tooMany";
    } else if (error instanceof ApiError && error.httpStatus < 500) {
      this.problem = PROBLEMS[error.key ?? ""] ?? "invalid";
      // A wrong code ends the step: the server starts over, so do we, keeping the user name.
      if (this.continued && error.expected.length > 0) {
        this.continued = false;
        this.message = null;
        this.fields = error.expected;
      }
    } else {
      this.problem = error instanceof NetworkError ? "network" : "server";
    }
  }
}
