import { connect, createServer } from "node:net";

/** The way between browser and daemon, which tests may hold up and cut. */
export class Network {
  #sockets = new Set();
  #held = false;
  #server = null;
  #target = { host: "", port: 0 };

  /**
   * @param {string} url Of the daemon.
   * @returns {Promise<string>} Address for the browser.
   */
  async start(url) {
    this.move(url);
    this.#server = createServer((near) => {
      const far = connect(this.#target);
      for (const [from, to] of [[near, far], [far, near]]) {
        this.#sockets.add(from);
        if (this.#held) from.pause();
        from.on("data", (bytes) => to.write(bytes));
        from.on("end", () => to.end());
        from.on("error", () => to.destroy());
        from.on("close", () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
    });
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${this.#server.address().port}/`;
  }

  /**
   * New connections lead to another daemon from now on.
   * @param {string} url
   */
  move(url) {
    const { hostname, port } = new URL(url);
    this.#target = { host: hostname, port: Number(port) };
  }

  /** From now on nothing arrives. */
  hold() {
    this.#held = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** What was held up arrives. */
  release() {
    this.#held = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Ends all connections; new ones are possible. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop() {
    if (!this.#server) return;
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
