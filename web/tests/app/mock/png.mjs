import { deflateSync } from "node:zlib";

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

function crc(bytes) {
  let c = 0xffffffff;
  for (const byte of bytes) c = CRC[(c ^ byte) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc(body), body.length + 4);
  return out;
}

/** A PNG of `width` × `height` pixels whose colours `paint(x, y)` gives as 0xRRGGBB. */
export function png(width, height, paint) {
  const raw = Buffer.alloc(height * (width * 3 + 1));
  let at = 0;
  for (let y = 0; y < height; y++) {
    raw[at++] = 0;
    for (let x = 0; x < width; x++) {
      const rgb = paint(x, y);
      raw[at++] = rgb >> 16;
      raw[at++] = (rgb >> 8) & 0xff;
      raw[at++] = rgb & 0xff;
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(raw, { level: 6 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Something like a terminal: rows of words in a few colours, the same for the same `seed`. */
export function terminalPicture(width, height, seed = 1) {
  const colours = [0xd6dee8, 0xd6dee8, 0x67c587, 0x6cb2ff, 0xe6b450, 0x77849a];
  const cellWidth = 9;
  const cellHeight = 19;
  const columns = Math.floor(width / cellWidth);
  const rows = Math.floor(height / cellHeight);
  let state = seed * 2654435761;
  const random = () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const cells = new Int32Array(columns * rows).fill(-1);
  for (let row = 0; row < rows - 1; row++) {
    let column = 0;
    const end = Math.floor(columns * (0.15 + random() * 0.6));
    while (column < end) {
      const length = 2 + Math.floor(random() * 9);
      const colour = colours[Math.floor(random() * colours.length)];
      for (let i = 0; i < length && column + i < end; i++) cells[row * columns + column + i] = colour;
      column += length + 1;
    }
  }
  const prompt = (rows - 1) * columns;
  cells.fill(0x67c587, prompt, prompt + 11);
  cells.fill(0x6cb2ff, prompt + 12, prompt + 14);
  cells[prompt + 16] = 0xffffff;
  return png(width, height, (x, y) => {
    const column = Math.floor(x / cellWidth);
    const row = Math.floor(y / cellHeight);
    const colour = column < columns && row < rows ? cells[row * columns + column] : -1;
    const inX = x % cellWidth;
    const inY = y % cellHeight;
    if (colour === 0xffffff) return colour;
    // Letters as little combs: at a glance this reads as text.
    const ink = inX > 0 && inX < 8 && inY > 4 && inY < 15 && ((inX * 7 + inY * 3 + column * 5 + row) % 5 < 2 || inY === 14 || inX === 1);
    return colour >= 0 && ink ? colour : 0x10141a;
  });
}
