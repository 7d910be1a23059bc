/**
 * A stand-in for the daemon, for looking at the pages: `npm run build && npm run mock`.
 * Serves the build with the daemon's content security policy, answers the API, and draws pictures
 * over the WebSocket tunnel. Log in as `admin`, `user` or `nobody` with password `demo`.
 */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { serveTunnel } from "./tunnel.mjs";
import { activeOf, historyOf, MACHINES, treeOf } from "./world.mjs";

const DIST = fileURLToPath(new URL("../../../dist/", import.meta.url));
const DATA_SOURCE = "default";

export const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "font-src 'self'",
  "connect-src 'self'",
  "media-src 'self' blob:",
  "worker-src 'self'",
  "manifest-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types svelte-trusted-html workers",
].join("; ");

const MIME = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

const FIELDS = [
  { name: "username", type: "USERNAME" },
  { name: "password", type: "PASSWORD" },
];

function refusal(type, message, expected = null) {
  return { message, translatableMessage: { key: "APP.TEXT_UNTRANSLATED", variables: { MESSAGE: message } }, statusCode: null, expected, patches: null, type };
}

async function readBody(request) {
  let body = "";
  for await (const part of request) body += part;
  return body;
}

/** Starts the stand-in on a free or given port of the loopback; resolves to its address. */
export function startMock({ port = 0, connectMs = 400, pingMs = 8, apiMs = 0, log } = {}) {
  const logins = new Map();
  const live = new Map();
  const control = { down: false };

  const userOf = (request) => logins.get(/guac=([^;]+)/.exec(request.headers.cookie ?? "")?.[1]);

  async function api(request, url, response) {
    const answer = (status, body, headers = {}) => {
      response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers });
      response.end(body === undefined ? "" : JSON.stringify(body));
    };
    if (apiMs) await new Promise((resolve) => setTimeout(resolve, apiMs));
    const path = url.pathname.replace("/api/", "");
    const user = userOf(request);
    if (path === "tokens") {
      const form = new URLSearchParams(await readBody(request));
      const name = form.get("username");
      const result = (username) => ({ authToken: "", username, dataSource: DATA_SOURCE, availableDataSources: [DATA_SOURCE] });
      if (name === null) return user ? answer(200, result(user)) : answer(403, refusal("INVALID_CREDENTIALS", "Permission Denied.", FIELDS));
      if (form.get("password") !== "demo") return answer(403, refusal("INVALID_CREDENTIALS", "Invalid login.", FIELDS));
      if (name === "otp" && form.get("guac-totp") !== "123456") {
        return answer(403, refusal("INSUFFICIENT_CREDENTIALS", "Enter the code your authenticator shows.", [{ name: "guac-totp", type: "TEXT" }]));
      }
      const id = `${name}-${logins.size}`;
      logins.set(id, name);
      return answer(200, result(name), { "Set-Cookie": `guac=${id}; HttpOnly; SameSite=Strict; Path=/` });
    }
    if (!user) return answer(403, refusal("PERMISSION_DENIED", "Permission Denied."));
    if (path === "session" && request.method === "DELETE") {
      logins.clear();
      return answer(204);
    }
    if (path.startsWith("session/tunnels/")) {
      return answer(200, { name: "vnc", connectionForms: [{ name: "authentication", fields: [{ name: "username", type: "USERNAME" }, { name: "password", type: "PASSWORD" }] }] });
    }
    const data = path.replace(`session/data/${DATA_SOURCE}/`, "");
    if (data === "connectionGroups/ROOT/tree") return answer(200, treeOf(user, live));
    if (data === "activeConnections") return answer(200, activeOf(user, live));
    if (data === "history/connections") return answer(200, historyOf(user));
    if (data === "self/effectivePermissions") {
      return answer(200, { connectionPermissions: {}, connectionGroupPermissions: {}, systemPermissions: user === "admin" ? ["ADMINISTER"] : [] });
    }
    const machine = MACHINES.get(data.replace("connections/", ""));
    if (data.startsWith("connections/") && machine) {
      return answer(200, { name: machine.name, identifier: machine.id, protocol: machine.protocol, attributes: {} });
    }
    return answer(404, refusal("NOT_FOUND", "Not found."));
  }

  function file(url, response) {
    const path = join(DIST, normalize(url.pathname === "/" ? "/index.html" : url.pathname));
    if (!path.startsWith(DIST) || !existsSync(path) || !statSync(path).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "Content-Type": MIME[extname(path)] ?? "application/octet-stream", "Content-Security-Policy": POLICY, "Cache-Control": "no-cache" });
    createReadStream(path).pipe(response);
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://mock");
    if (control.down) response.destroy();
    else if (url.pathname.startsWith("/api/")) void api(request, url, response);
    else if (url.pathname === "/tunnel") response.writeHead(404, { "Guacamole-Status-Code": "516" }).end();
    else file(url, response);
  });
  const sockets = new Set();
  server.on("upgrade", (request, socket) => {
    const url = new URL(request.url, "http://mock");
    if (control.down) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    const id = url.searchParams.get("GUAC_ID");
    serveTunnel(socket, request, url.searchParams, userOf(request) ? (MACHINES.get(id) ?? null) : undefined, live, { connectMs, pingMs, log });
  });
  return new Promise((resolve) => {
    server.listen(port, "127.0.0.1", () => {
      resolve({
        url: `http://127.0.0.1:${server.address().port}/`,
        /** As if the cable was pulled: every tunnel breaks, nothing answers. */
        setDown(down) {
          control.down = down;
          if (down) for (const socket of sockets) socket.destroy();
        },
        /** Forgets every login. */
        logOutAll: () => logins.clear(),
        close: () => {
          for (const socket of sockets) socket.destroy();
          server.closeAllConnections();
          server.close();
        },
      });
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({ port: Number(process.env.PORT ?? 8080) });
  console.log(`${mock.url}  log in as admin, password demo`);
}
