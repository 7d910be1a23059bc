// Runs the gateway guacamole-lite in front of GUACD_PORT, opens the SSH session of SETTINGS through it as a browser
// would, waits for a whole picture, and joins that session with a second browser.
const crypto = require('node:crypto');
const http = require('node:http');
const GuacamoleLite = require('guacamole-lite');
const WebSocket = require('ws');

const CIPHER = 'AES-256-CBC';
const key = crypto.randomBytes(32);
const deadline = setTimeout(() => fail('nothing for 60 seconds'), 60_000);

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

// The gateway's own token format: base64 of the IV and the encrypted settings.
function token(settings) {
  const iv = crypto.randomBytes(16);
  const cipher = crypto.createCipheriv(CIPHER, key, iv);
  const value = Buffer.concat([cipher.update(JSON.stringify(settings), 'utf8'), cipher.final()]);
  const parts = { iv: iv.toString('base64'), value: value.toString('base64') };
  return encodeURIComponent(Buffer.from(JSON.stringify(parts)).toString('base64'));
}

// Instructions of a message; every length is in code points, and all text here is ASCII.
function* instructions(text) {
  let elements = [];
  for (let at = 0; at < text.length; ) {
    const dot = text.indexOf('.', at);
    const end = dot + 1 + Number(text.slice(at, dot));
    elements.push(text.slice(dot + 1, end));
    if (text[end] === ';') {
      yield elements;
      elements = [];
    }
    at = end + 1;
  }
}

// Resolves with the session's id once a frame with an image is complete.
function watch(port, settings) {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/?token=${token(settings)}`, 'guacamole');
    let id;
    let images = 0;
    socket.on('error', (error) => fail(error.message));
    socket.on('message', (data) => {
      for (const [opcode, ...args] of instructions(data.toString())) {
        if (opcode === '') id = args[0];
        if (opcode === 'error') fail(args.join(' '));
        if (opcode === 'img') images += 1;
        if (opcode === 'sync') {
          socket.send(`4.sync,${args[0].length}.${args[0]};`);
          if (images > 0) resolve({ socket, id });
        }
      }
    });
  });
}

const server = http.createServer();
const gateway = new GuacamoleLite(
  { server },
  { host: '127.0.0.1', port: Number(process.env.GUACD_PORT) },
  { crypt: { cypher: CIPHER, key }, log: { level: 'ERRORS' } },
);
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address();
  const settings = { ...JSON.parse(process.env.SETTINGS), width: 640, height: 480 };
  const owner = await watch(port, { connection: { type: 'ssh', settings } });
  console.log(`picture drawn in ${owner.id}`);
  const joiner = await watch(port, { connection: { join: owner.id, settings: {} } });
  console.log('joined');
  clearTimeout(deadline);
  joiner.socket.close();
  owner.socket.close();
  gateway.close();
  server.close();
  setTimeout(() => process.exit(0), 500);
});
