import { createHash, randomUUID } from "node:crypto";

import { terminalPicture } from "./png.mjs";

/** One instruction as text; lengths are code points. */
export function instruction(...elements) {
  return `${elements.map((element) => `${[...String(element)].length}.${element}`).join(",")};`;
}

function parse(text) {
  const list = [];
  let elements = [];
  const points = [...text];
  let at = 0;
  while (at < points.length) {
    let digits = "";
    while (points[at] !== ".") digits += points[at++];
    at += 1;
    elements.push(points.slice(at, at + Number(digits)).join(""));
    at += Number(digits);
    if (points[at++] === ";") {
      list.push(elements);
      elements = [];
    }
  }
  return list;
}

/** The WebSocket side of one socket: whole text messages out and in. */
class Socket {
  constructor(socket, onmessage, onclose) {
    this.socket = socket;
    this.buffer = Buffer.alloc(0);
    socket.on("data", (data) => {
      this.buffer = Buffer.concat([this.buffer, data]);
      for (let frame = this.take(); frame; frame = this.take()) {
        if (frame.opcode === 1) onmessage(frame.payload.toString("utf8"));
        else if (frame.opcode === 8) socket.end();
      }
    });
    socket.on("close", onclose);
    socket.on("error", () => {});
  }

  take() {
    const { buffer } = this;
    if (buffer.length < 2) return null;
    let length = buffer[1] & 0x7f;
    let at = 2;
    if (length === 126) {
      if (buffer.length < 4) return null;
      length = buffer.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (buffer.length < 10) return null;
      length = Number(buffer.readBigUInt64BE(2));
      at = 10;
    }
    if (buffer.length < at + 4 + length) return null;
    const mask = buffer.subarray(at, at + 4);
    const payload = Buffer.from(buffer.subarray(at + 4, at + 4 + length));
    for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i % 4];
    this.buffer = buffer.subarray(at + 4 + length);
    return { opcode: buffer[0] & 0x0f, payload };
  }

  frame(opcode, payload) {
    const head = payload.length < 126 ? Buffer.alloc(2) : payload.length < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
    head[0] = 0x80 | opcode;
    if (payload.length < 126) head[1] = payload.length;
    else if (payload.length < 65536) {
      head[1] = 126;
      head.writeUInt16BE(payload.length, 2);
    } else {
      head[1] = 127;
      head.writeBigUInt64BE(BigInt(payload.length), 2);
    }
    if (this.socket.writable) this.socket.write(Buffer.concat([head, payload]));
  }

  send(text) {
    this.frame(1, Buffer.from(text));
  }

  close(status) {
    const reason = Buffer.from(String(status));
    const payload = Buffer.alloc(2 + reason.length);
    payload.writeUInt16BE(status === 0 ? 1000 : 1011, 0);
    reason.copy(payload, 2);
    this.frame(8, payload);
    this.socket.end();
  }
}

function picture(size, seed) {
  const data = terminalPicture(size.width, size.height, seed).toString("base64");
  let out = instruction("size", 0, size.width, size.height) + instruction("img", 1, 14, 0, "image/png", 0, 0);
  for (let at = 0; at < data.length; at += 6000) out += instruction("blob", 1, data.slice(at, at + 6000));
  return out + instruction("end", 1);
}

/**
 * A session of the machine `machine`. What goes wrong with it, and when, is in `machine.trouble`:
 * `{ error }`, `{ close, afterMs }`, `{ silentAfterMs }`, `{ required }`.
 */
export function serveTunnel(socket, request, query, machine, sessions, options) {
  const accept = createHash("sha1")
    .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  socket.write(
    [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Protocol: guacamole",
      `Sec-WebSocket-Accept: ${accept}`,
      "\r\n",
    ].join("\r\n"),
  );
  const uuid = randomUUID();
  const timers = new Set();
  const later = (ms, run) => timers.add(setTimeout(run, ms));
  const trouble = machine?.trouble ?? {};
  const size = { width: Number(query.get("GUAC_WIDTH")), height: Number(query.get("GUAC_HEIGHT")) };
  let silent = false;
  let timestamp = 1;
  const wire = new Socket(socket, receive, () => {
    for (const timer of timers) clearTimeout(timer);
    clearInterval(beat);
    sessions.delete(uuid);
  });
  const send = (text) => silent || wire.send(text);
  const beat = setInterval(() => send(instruction("sync", timestamp++)), 1000);

  function draw() {
    send(picture(size, Number(machine.id)) + instruction("sync", timestamp++));
  }

  function start() {
    sessions.set(uuid, { machine, startMs: Date.now() });
    draw();
    if (trouble.silentAfterMs) later(trouble.silentAfterMs, () => (silent = true));
    if (trouble.close !== undefined) later(trouble.afterMs ?? 0, () => wire.close(trouble.close));
  }

  function receive(text) {
    for (const [opcode, ...args] of parse(text)) {
      options.log?.(opcode, args);
      if (opcode === "" && args[0] === "ping" && !silent) later(options.pingMs, () => send(instruction("", ...args)));
      if (opcode === "size") {
        Object.assign(size, { width: Number(args[0]), height: Number(args[1]) });
        draw();
      }
      if (opcode === "argv") answers.set(args[0], { name: args[2], value: "" });
      if (opcode === "clipboard") send(instruction("ack", args[0], "OK", 0));
      if (opcode === "blob") {
        const answer = answers.get(args[0]);
        if (answer) answer.value += Buffer.from(args[1], "base64").toString();
        send(instruction("ack", args[0], "OK", 0));
      }
      if (opcode === "end" && answers.has(args[0])) answered(answers.get(args[0]));
      if (opcode === "disconnect") wire.close(0);
    }
  }

  const answers = new Map();
  function answered({ name, value }) {
    if (name !== "password") return;
    if (value === "secret") start();
    else send(instruction("required", ...trouble.required));
  }

  if (!machine) {
    wire.close(machine === undefined ? 0x301 : 0x204);
    return;
  }
  send(instruction("", uuid));
  if (trouble.hangs) return;
  if (trouble.close !== undefined && !trouble.afterMs) wire.close(trouble.close);
  else if (trouble.error !== undefined) {
    later(300, () => send(instruction("error", trouble.message ?? "refused", trouble.error)));
    later(350, () => wire.close(trouble.error));
  } else if (trouble.required) send(instruction("required", ...trouble.required));
  else later(options.connectMs, start);
}
