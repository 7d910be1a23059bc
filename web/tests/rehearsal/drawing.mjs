// What stands on Azure, on one machine: a network of namespaces with a balancer, two nodes from the package, MariaDB
// with TLS, two machines to reach, and a person.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { ROOT, RESULTS } from "../e2e/support/daemon.mjs";
import { find, need } from "../e2e/support/needs.mjs";
import { run, start, stop } from "../e2e/support/processes.mjs";
import { listens } from "../e2e/support/sshd.mjs";
import { until } from "../e2e/support/until.mjs";

/** Every place on the drawing and its address. */
export const PLACES = {
  balancer: "10.42.0.10",
  person: "10.42.0.100",
  node1: "10.42.1.11",
  node2: "10.42.1.12",
  database: "10.42.2.4",
  linux: "10.42.10.21",
  desktop: "10.42.10.22",
};

/** Names in the rehearsal's certificates. */
const DATABASE_NAME = "rehearsal.mysql.database.azure.com";
const DOMAIN = "desk.example";

/** Programs that it needs besides a browser. */
export const REHEARSAL = ["ip", "curl", "haproxy", "mariadbd", "mariadb-install-db", "mariadb", "openssl", "jq", "setpriv", "dpkg-deb"];

/** Who may do it: making namespaces takes root. */
export const MAY = process.getuid?.() === 0;

/** The network: a switch with a cable to each place. */
export class Network {
  /** @param {string} dir */
  constructor(dir) {
    this.dir = dir;
    this.prefix = `gl${process.pid}`;
  }

  /** Namespace of a place. @param {keyof typeof PLACES | "switch"} place */
  of(place) {
    return `${this.prefix}-${place}`;
  }

  async start() {
    const names = ["switch", ...Object.keys(PLACES)];
    for (const place of names) await ip("netns", "add", this.of(/** @type {any} */ (place)));
    const hub = this.of("switch");
    await ip("-n", hub, "link", "add", "br0", "type", "bridge");
    await ip("-n", hub, "link", "set", "br0", "up");
    for (const [place, address] of Object.entries(PLACES)) {
      const there = this.of(/** @type {any} */ (place));
      // Interfaces have short names; both ends are born inside.
      await ip("-n", hub, "link", "add", place, "type", "veth", "peer", "name", "eth0", "netns", there);
      await ip("-n", hub, "link", "set", place, "master", "br0", "up");
      await ip("-n", there, "address", "add", `${address}/16`, "dev", "eth0");
      await ip("-n", there, "link", "set", "eth0", "up");
      await ip("-n", there, "link", "set", "lo", "up");
      // `ip netns exec` shows this in place of the machine's own.
      const etc = join("/etc/netns", there);
      mkdirSync(etc, { recursive: true });
      writeFileSync(join(etc, "hosts"), `127.0.0.1 localhost\n${PLACES.database} ${DATABASE_NAME}\n${PLACES.balancer} ${DOMAIN}\n`);
    }
  }

  /** A cable pulled, or put back: nothing gets through, and nobody is told. @param {string} place @param {boolean} up */
  async cable(place, up) {
    await ip("-n", this.of("switch"), "link", "set", place, up ? "up" : "down");
  }

  async stop() {
    for (const place of [...Object.keys(PLACES), "switch"]) {
      const name = this.of(/** @type {any} */ (place));
      await ip("netns", "delete", name).catch(() => {});
      await run("rm", ["-rf", join("/etc/netns", name)]);
    }
  }
}

/** @param {...string} args */
function ip(...args) {
  return run(need("ip"), args);
}

/** A certificate authority of the rehearsal's own. */
export class Authority {
  /** @param {string} dir */
  constructor(dir) {
    this.dir = join(dir, "authority");
    mkdirSync(this.dir, { recursive: true });
    this.file = join(this.dir, "ca.pem");
  }

  async start() {
    const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
    args.push("-subj", "/CN=rehearsal authority", "-keyout", join(this.dir, "ca.key"), "-out", this.file);
    await run(need("openssl"), args);
  }

  /** @param {string} name @returns {Promise<{ certificate: string, key: string }>} PEM files. */
  async certify(name) {
    const base = join(this.dir, name);
    const key = `${base}.key`;
    const request = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", `/CN=${name}`];
    await run(need("openssl"), [...request, "-keyout", key, "-out", `${base}.csr`]);
    writeFileSync(`${base}.ext`, `subjectAltName=DNS:${name}\n`);
    const sign = ["x509", "-req", "-in", `${base}.csr`, "-CA", this.file, "-CAkey", join(this.dir, "ca.key"), "-CAcreateserial"];
    await run(need("openssl"), [...sign, "-days", "30", "-extfile", `${base}.ext`, "-out", `${base}.pem`]);
    return { certificate: `${base}.pem`, key };
  }
}

/** MariaDB that speaks TLS or not at all. */
export class Database {
  /** @type {import("node:child_process").ChildProcess | null} */
  #child = null;

  /** @param {string} dir @param {string} namespace @param {Authority} authority */
  constructor(dir, namespace, authority) {
    this.dir = join(dir, "mariadb");
    this.namespace = namespace;
    this.authority = authority;
    this.password = "rehearsal-database-password";
    mkdirSync(this.dir, { recursive: true });
  }

  async start() {
    const data = join(this.dir, "data");
    const install = ["--no-defaults", `--datadir=${data}`, "--auth-root-authentication-method=normal", "--skip-test-db"];
    await run(need("mariadb-install-db"), [...install, "--user=root"]);
    const { certificate, key } = await this.authority.certify(DATABASE_NAME);
    this.tls = [`--ssl-cert=${certificate}`, `--ssl-key=${key}`, `--ssl-ca=${this.authority.file}`];
    await this.resume();
    await this.sql("CREATE DATABASE guacamole CHARACTER SET utf8mb4");
    await this.sql(`CREATE USER guacdlite@'%' IDENTIFIED BY '${this.password}' REQUIRE SSL`);
    await this.sql("GRANT ALL ON guacamole.* TO guacdlite@'%'");
  }

  /** Starts the server, the first time or again. */
  async resume() {
    const args = ["--no-defaults", `--datadir=${join(this.dir, "data")}`, `--socket=${join(this.dir, "socket")}`, "--user=root"];
    args.push(`--pid-file=${join(this.dir, "pid")}`, `--bind-address=${PLACES.database}`, "--port=3306", "--max-connections=200");
    args.push("--require-secure-transport=ON", ...(this.tls ?? []));
    const log = join(this.dir, "log");
    this.#child = start(need("mariadbd"), args, { log, namespace: this.namespace });
    await until("MariaDB answers", () => this.sql("SELECT 1").then(() => true));
  }

  /** As a machine that is gone. */
  async kill() {
    if (this.#child) await stop(this.#child, "SIGKILL");
    this.#child = null;
  }

  /** What a statement gives: rows of columns. @param {string} statement @returns {Promise<string[][]>} */
  async sql(statement) {
    const args = ["--no-defaults", `--socket=${join(this.dir, "socket")}`, "-u", "root", "-N", "-B", "-e", statement];
    const schema = /^(CREATE|GRANT|SELECT 1$)/.test(statement) ? [] : ["guacamole"];
    const printed = String(await run(need("mariadb"), [...args, ...schema]));
    return printed.split("\n").filter((line) => line !== "").map((line) => line.split("\t"));
  }
}

/** What is between the person and the nodes: the 5-tuple decides, probes every five seconds, silence for four minutes ends a flow. */
export class Balancer {
  /** @type {import("node:child_process").ChildProcess | null} */
  #child = null;

  /** @param {string} dir @param {string} namespace */
  constructor(dir, namespace) {
    this.dir = join(dir, "balancer");
    this.namespace = namespace;
    mkdirSync(this.dir, { recursive: true });
  }

  async start() {
    // Of the five only the person's port differs here. A node that fails its probe keeps the flows it has.
    const lines = [
      "global",
      "  maxconn 1000",
      "defaults",
      "  mode tcp",
      "  timeout connect 5s",
      "  timeout client 4m",
      "  timeout server 4m",
      "  retries 0",
      "frontend public",
      `  bind ${PLACES.balancer}:443`,
      "  default_backend nodes",
      "backend nodes",
      "  balance hash src_port",
      "  hash-type consistent",
      "  option httpchk GET /readyz",
      "  http-check expect status 200",
      "  default-server check check-ssl verify none inter 5s fall 2 rise 1",
      `  server node1 ${PLACES.node1}:443`,
      `  server node2 ${PLACES.node2}:443`,
    ];
    const config = join(this.dir, "haproxy.cfg");
    writeFileSync(config, lines.join("\n") + "\n");
    this.#child = start(need("haproxy"), ["-db", "-f", config], { log: join(this.dir, "log"), namespace: this.namespace });
    await until("the balancer listens", () => listens(443, { namespace: this.namespace, address: PLACES.balancer }));
  }

  async stop() {
    if (this.#child) await stop(this.#child, "SIGKILL");
  }
}

/** A node: the package's program, the deployment's configuration, the unit's rights. */
export class Node {
  /** @type {import("node:child_process").ChildProcess | null} */
  #child = null;
  /** How it ended, once it has. @type {number | null} */
  ended = null;

  /**
   * @param {Rehearsal} rehearsal
   * @param {"node1" | "node2"} place
   */
  constructor(rehearsal, place) {
    this.rehearsal = rehearsal;
    this.place = place;
    this.namespace = rehearsal.network.of(place);
    this.log = join(RESULTS, `rehearsal-${place}.log`);
    this.data = join(rehearsal.dir, place);
    mkdirSync(this.data, { recursive: true });
  }

  /** What the machine's own script puts into the environment. */
  get #env() {
    const { PATH } = process.env;
    return {
      PATH,
      GUACD_LITE_CLUSTER_ADDRESS: `${PLACES[this.place]}:4823`,
      GUACD_LITE_CLUSTER_NAME: this.place,
      GUACD_LITE_DATA_DIR: this.data,
    };
  }

  /** Runs a command of the program. @param {string[]} args @param {string} [input] */
  async command(args, input = "") {
    const { binary, config } = this.rehearsal;
    return String(await run(binary, [...args, "--config", config], { env: this.#env, input, namespace: this.namespace }));
  }

  async start() {
    const { binary, config } = this.rehearsal;
    await run("chown", ["-R", "nobody", this.data]);
    // As the unit has it: nobody in particular, who may open low ports.
    const rights = ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs", "--bounding-set=-all,+net_bind_service"];
    rights.push("--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service");
    const line = [...rights, binary, "serve", "--config", config];
    const child = start(need("setpriv"), line, { env: this.#env, log: this.log, stdout: "pipe", namespace: this.namespace });
    this.#child = child;
    this.ended = null;
    child.once("exit", (code) => (this.ended = code ?? -1));
    const lines = createInterface({ input: /** @type {import("node:stream").Readable} */ (child.stdout) });
    await new Promise((resolve, reject) => {
      lines.on("line", (text) => text.includes("is ready") && resolve(text));
      child.once("exit", () => reject(new Error(`${this.place} does not start, see ${this.log}`)));
    });
  }

  /** As a machine that lost its power, but for the kernel, which says good-bye. */
  async kill() {
    if (this.#child) await stop(this.#child, "SIGKILL");
    this.#child = null;
  }

  /** Asks it to stop, as systemd does, and does not wait. */
  terminate() {
    this.#child?.kill("SIGTERM");
  }

  async stop() {
    if (this.#child) await stop(this.#child, "SIGINT");
    this.#child = null;
    const log = existsSync(this.log) ? readFileSync(this.log, "utf8") : "";
    if (log.includes("panicked at")) throw new Error(`${this.place} panicked, see ${this.log}`);
  }
}

/** Everything on the drawing but the machines behind. */
export class Rehearsal {
  /** @param {string} dir */
  constructor(dir) {
    this.dir = dir;
    // Others than root have to get at what they may read.
    chmodSync(dir, 0o755);
    this.network = new Network(dir);
    this.authority = new Authority(dir);
    this.database = new Database(dir, this.network.of("database"), this.authority);
    this.balancer = new Balancer(dir, this.network.of("balancer"));
    this.binary = "";
    this.config = "";
    this.node1 = new Node(this, "node1");
    this.node2 = new Node(this, "node2");
    this.url = `https://${DOMAIN}/`;
  }

  async start() {
    await this.network.start();
    await this.authority.start();
    await this.database.start();
    await this.#unpack();
    await this.#configure();
    await this.node1.start();
    await this.node2.start();
    await this.balancer.start();
  }

  /** The program out of the package that `cargo xtask package` made. */
  async #unpack() {
    const package_ = process.env.GUACD_LITE_DEB;
    assert.ok(package_, "GUACD_LITE_DEB names the package; `cargo xtask rehearsal` sets it");
    const root = join(this.dir, "package");
    await run(need("dpkg-deb"), ["--extract", package_, root]);
    this.binary = join(root, "usr/bin/guacd-lite");
  }

  /** The deployment's own configuration, with this place's secrets and certificates. */
  async #configure() {
    const parameters = join(this.dir, "parameters.env");
    const settings = ["NAME=rehearsal", "DNS_LABEL=rehearsal", `DOMAIN=${DOMAIN}`, "TLS=key-vault", "DRAIN_TIMEOUT_S=90"];
    settings.push(`CERTIFICATE_SECRET=https://rehearsal.vault.azure.net/secrets/desk`);
    settings.push("PACKAGE_URL=https://example.com/guacd-lite.deb", `PACKAGE_SHA256=${"0".repeat(64)}`);
    writeFileSync(parameters, settings.join("\n") + "\n");
    const rendered = join(this.dir, "rendered");
    await run("bash", [join(ROOT, "deploy/azure/deploy.sh"), "--parameters", parameters, "--render", rendered]);
    const credentials = join(this.dir, "credentials");
    mkdirSync(credentials);
    const { certificate, key } = await this.authority.certify(DOMAIN);
    const secrets = {
      "database-password": this.database.password,
      "cluster-secret": Buffer.alloc(32, "rehearsal").toString("base64"),
      "admin-password": "rehearsal admin password",
      "tls-cert": readFileSync(certificate),
      "tls-key": readFileSync(key),
    };
    for (const [name, secret] of Object.entries(secrets)) writeFileSync(join(credentials, name), secret, { mode: 0o400 });
    await run("chown", ["-R", "nobody", credentials]);
    const template = readFileSync(join(rendered, "guacd-lite.toml"), "utf8");
    const text = template
      .replaceAll("/run/credentials/guacd-lite.service", credentials)
      .replaceAll("/run/guacd-lite-tls", credentials)
      .replace(/^url = .*/m, `url = "mysql://guacdlite@${DATABASE_NAME}:3306/guacamole"`)
      .replace("/etc/guacd-lite/mysql-ca.pem", this.authority.file)
      // There is no metadata service here; its own tests have one.
      .replace("azure_scheduled_events = true", "azure_scheduled_events = false")
      // Each node of one machine needs a directory of its own; it is in the environment.
      .replace(/^data_dir = .*\n/m, "");
    this.config = join(this.dir, "guacd-lite.toml");
    writeFileSync(this.config, text);
    await run("chmod", ["644", this.authority.file]);
    await run("chmod", ["755", this.authority.dir]);
  }

  /** A browser in the person's place: a program that starts it. */
  browser() {
    const wrapper = join(this.dir, "chromium");
    const line = `exec ip netns exec ${this.network.of("person")} '${need("chromium")}' "$@"`;
    writeFileSync(wrapper, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    return wrapper;
  }

  async stop() {
    const failures = [];
    const stops = [() => this.node1.stop(), () => this.node2.stop(), () => this.balancer.stop(), () => this.database.kill()];
    for (const each of [...stops, () => this.network.stop()]) await each().catch((error) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, String(failures[0]));
  }
}

/** Why it cannot be done here; `null`: it can. */
export function obstacle() {
  if (!MAY) return "making network namespaces takes root";
  const missing = REHEARSAL.filter((program) => find(program) === null);
  if (missing.length > 0) return `not installed: ${missing.join(", ")}`;
  // Root of a container may not either.
  const name = `gl${process.pid}-probe`;
  const made = spawnSync(need("ip"), ["netns", "add", name], { encoding: "utf8" });
  if (made.status !== 0) return `network namespaces cannot be made here: ${made.stderr.trim()}`;
  spawnSync(need("ip"), ["netns", "delete", name]);
  return null;
}
