import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Desktop, Screen } from "./desktop.mjs";
import { need } from "./needs.mjs";
import { freePort } from "./ports.mjs";
import { run, stop } from "./processes.mjs";
import { listens } from "./sshd.mjs";
import { until } from "./until.mjs";

/** Where xrdp's channel server has its sockets, whatever it is told. */
const SOCKETS = "/run/xrdp/sockdir";

/**
 * A real xrdp in front of xorgxrdp's X server, with its channel server for clipboard, drive and sound. Neither its
 * session manager nor PAM takes part: the desktop runs already, and whoever comes sees it.
 */
export class Xrdp extends Screen {
  port = 0;

  /** @param {string} dir */
  constructor(dir) {
    super(dir, "xrdp");
  }

  async start() {
    const env = { ...process.env, HOME: this.dir, XRDP_SOCKET_PATH: this.dir };
    const args = ["-displayfd", "1", "-config", "xrdp/xorg.conf", "-noreset", "-nolisten", "tcp"];
    await this.startServer(need("Xorg"), [...args, "-logfile", join(this.dir, "Xorg.log")], env);
    await this.furnish();
    mkdirSync(SOCKETS, { recursive: true });
    const number = this.display.slice(1);
    const socket = `${SOCKETS}/xrdp_chansrv_socket_${number}`;
    rmSync(socket, { force: true });
    this.program("xrdp-chansrv");
    await until("the channel server listens", () => existsSync(socket));
    const [certificate, key] = [join(this.dir, "certificate.pem"), join(this.dir, "key.pem")];
    const subject = ["-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", certificate];
    await run(need("openssl"), ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...subject]);
    this.port = await freePort();
    const config = [
      "[Globals]",
      "ini_version=1",
      "fork=true",
      `port=tcp://127.0.0.1:${this.port}`,
      "tcp_nodelay=true",
      "security_layer=negotiate",
      `certificate=${certificate}`,
      `key_file=${key}`,
      "ssl_protocols=TLSv1.2, TLSv1.3",
      "autorun=desk",
      "allow_channels=true",
      "bitmap_cache=true",
      "bitmap_compression=true",
      "bulk_compression=true",
      "max_bpp=32",
      "new_cursors=true",
      "use_fastpath=both",
      "[Logging]",
      `LogFile=${join(this.dir, "xrdp.log")}`,
      "LogLevel=INFO",
      "EnableSyslog=false",
      "[Channels]",
      "rdpdr=true",
      "rdpsnd=true",
      "drdynvc=true",
      "cliprdr=true",
      "[desk]",
      "name=desk",
      "lib=libxup.so",
      "username=tester",
      "password=none",
      "ip=127.0.0.1",
      "code=20",
      `port=${join(this.dir, `xrdp_display_${number}`)}`,
      `chansrvport=DISPLAY(${number})`,
    ];
    const file = join(this.dir, "xrdp.ini");
    writeFileSync(file, config.join("\n") + "\n");
    this.program("xrdp", ["--nodaemon", "--config", file]);
    await until("xrdp listens", () => listens(this.port));
  }

  /** Parameters of a connection to it. */
  get parameters() {
    return { hostname: "127.0.0.1", port: this.port, username: "tester", password: "none", "ignore-cert": "true" };
  }

  /** Where the drive of whoever is connected appears. @param {string} name */
  drive(name) {
    return join(this.dir, "thinclient_drives", name);
  }

  async stop() {
    await super.stop();
    // The channel server leaves its file system and its sockets behind.
    await run(need("fusermount"), ["-q", "-u", "-z", join(this.dir, "thinclient_drives")]).catch(() => {});
    const number = this.display.slice(1);
    for (const name of ["chansrv_socket", "chansrv_audio_out_socket", "chansrv_audio_in_socket"]) {
      rmSync(`${SOCKETS}/xrdp_${name}_${number}`, { force: true });
    }
    rmSync(`${SOCKETS}/xrdpapi_${number}`, { force: true });
  }
}

/** FreeRDP's shadow server, which asks for credentials before anything else (NLA), in front of a desktop. */
export class Shadow extends Desktop {
  rdpPort = 0;
  username = "tester";
  secret = "correct horse";
  /** @type {import("node:child_process").ChildProcess | null} */
  #server = null;

  async start() {
    await super.start();
    const accounts = join(this.dir, "accounts");
    const hash = ["-u", this.username, "-p", this.secret, "-f", "sam"];
    writeFileSync(accounts, await run(need("winpr-hash"), hash), { mode: 0o600 });
    this.rdpPort = await freePort();
    await this.#launch();
  }

  /** Parameters of a connection to it, without the password. */
  get parameters() {
    return { hostname: "127.0.0.1", port: this.rdpPort, username: this.username, security: "nla", "cert-tofu": "true" };
  }

  /** Comes back on the same port with another key, as a reinstalled machine or an impostor would. */
  async changeCertificate() {
    if (this.#server) await stop(this.#server, "SIGKILL");
    rmSync(join(this.dir, ".config/freerdp/shadow"), { recursive: true });
    await this.#launch();
  }

  /** What it logged. */
  get log() {
    return readFileSync(join(this.dir, "log"), "utf8");
  }

  async #launch() {
    const args = [`/port:${this.rdpPort}`, "/bind-address:127.0.0.1", "/sec:nla", "+auth"];
    this.#server = this.program("freerdp-shadow-cli", [...args, `/sam-file:${join(this.dir, "accounts")}`]);
    await until("the shadow server listens", () => listens(this.rdpPort));
  }
}
