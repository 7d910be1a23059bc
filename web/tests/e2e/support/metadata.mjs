import { createServer } from "node:http";

/** A stand-in for the service that tells a machine in a cloud what will happen to it. */
export class Metadata {
  /** What the daemon needs to know. */
  settings = {};
  #events = [];
  #server = createServer((request, response) => {
    const machine = { name: "e2e" };
    response.end(JSON.stringify(request.url.includes("/scheduledevents") ? { Events: this.#events } : machine));
  });

  /** @returns {Promise<NodeJS.ProcessEnv>} */
  async start() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.settings = {
      GUACD_LITE_MAINTENANCE_AZURE_SCHEDULED_EVENTS: "true",
      GUACD_LITE_MAINTENANCE_AZURE_METADATA_URL: `http://127.0.0.1:${this.#server.address().port}`,
      GUACD_LITE_MAINTENANCE_POLL_INTERVAL_S: "1",
    };
    return this.settings;
  }

  /**
   * From now on this is going to happen, or nothing.
   * @param {"Freeze" | "Reboot"} [kind]
   */
  announce(kind) {
    this.#events = kind ? [{ EventId: "1", EventType: kind, EventStatus: "Scheduled", Resources: ["e2e"] }] : [];
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
