import { inflateSync } from "node:zlib";

import { png } from "../../app/mock/png.mjs";

/**
 * A picture: one number 0xRRGGBB for each pixel, row after row.
 * @typedef {{ width: number, height: number, pixels: Uint32Array }} Pixels
 */

/**
 * What `xwd` writes of a screen with 24 colour bits, in three or four bytes for each pixel.
 * @param {Buffer} dump
 * @returns {Pixels}
 */
export function readXwd(dump) {
  const field = (/** @type {number} */ index) => dump.readUInt32BE(index * 4);
  const [headerBytes, depth, width, height, order] = [field(0), field(3), field(4), field(5), field(7)];
  const [step, rowBytes, colours] = [field(11) / 8, field(12), field(19)];
  if (depth !== 24 || step < 3 || step > 4) throw new Error(`depth ${depth}, ${step} bytes for each pixel`);
  const start = headerBytes + colours * 12;
  const pixels = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = start + y * rowBytes + x * step;
      pixels[y * width + x] = order === 0 ? dump.readUIntLE(at, 3) : dump.readUIntBE(at + step - 3, 3);
    }
  }
  return { width, height, pixels };
}

/**
 * A PNG with 8 bits for each of three or four channels, as browsers write them.
 * @param {Buffer} file
 * @returns {Pixels}
 */
export function readPng(file) {
  const width = file.readUInt32BE(16);
  const height = file.readUInt32BE(20);
  const channels = { 2: 3, 6: 4 }[file[25] ?? 0];
  if (file[24] !== 8 || channels === undefined || file[28] !== 0) throw new Error("a PNG of another kind");
  /** @type {Buffer[]} */
  const parts = [];
  for (let at = 8; at < file.length; at += file.readUInt32BE(at) + 12) {
    if (file.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(file.subarray(at + 8, at + 8 + file.readUInt32BE(at)));
  }
  const rows = unfilter(inflateSync(Buffer.concat(parts)), width * channels, channels);
  const pixels = new Uint32Array(width * height);
  for (let i = 0; i < pixels.length; i++) {
    const at = i * channels;
    pixels[i] = (rows[at] << 16) | (rows[at + 1] << 8) | rows[at + 2];
  }
  return { width, height, pixels };
}

/**
 * Takes the row filters of PNG (section 9 of its specification) off.
 * @param {Buffer} raw
 * @param {number} rowBytes
 * @param {number} step
 */
function unfilter(raw, rowBytes, step) {
  const height = raw.length / (rowBytes + 1);
  const out = new Uint8Array(height * rowBytes);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (rowBytes + 1)];
    const from = y * (rowBytes + 1) + 1;
    const to = y * rowBytes;
    for (let i = 0; i < rowBytes; i++) {
      const left = i >= step ? out[to + i - step] : 0;
      const up = y > 0 ? out[to + i - rowBytes] : 0;
      const corner = y > 0 && i >= step ? out[to + i - rowBytes - step] : 0;
      const guess =
        filter === 0 ? 0 : filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : paeth(left, up, corner);
      out[to + i] = raw[from + i] + guess;
    }
  }
  return out;
}

/**
 * @param {number} left
 * @param {number} up
 * @param {number} corner
 */
function paeth(left, up, corner) {
  const [toLeft, toUp, toCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/**
 * How many pixels differ; all of them when the sizes do.
 * @param {Pixels} a
 * @param {Pixels} b
 */
export function difference(a, b) {
  if (a.width !== b.width || a.height !== b.height) return Math.max(a.pixels.length, b.pixels.length);
  let count = 0;
  for (let i = 0; i < a.pixels.length; i++) if (a.pixels[i] !== b.pixels[i]) count += 1;
  return count;
}

/**
 * How much alike two pictures of one size are, in dB of signal over noise: 39 and more look the same, none differ when
 * it is infinite.
 * @param {Pixels} a
 * @param {Pixels} b
 */
export function likeness(a, b) {
  if (a.width !== b.width || a.height !== b.height) return 0;
  let squares = 0;
  for (let i = 0; i < a.pixels.length; i++) {
    for (const shift of [0, 8, 16]) {
      squares += (((a.pixels[i] >> shift) & 0xff) - ((b.pixels[i] >> shift) & 0xff)) ** 2;
    }
  }
  return 10 * Math.log10(255 ** 2 / (squares / (3 * a.pixels.length)));
}

/**
 * How many different colours a picture has.
 * @param {Pixels} picture
 */
export function colours(picture) {
  return new Set(picture.pixels).size;
}

/**
 * How many pixels are not black.
 * @param {Pixels} picture
 */
export function inked(picture) {
  return picture.pixels.reduce((count, pixel) => (pixel === 0 ? count : count + 1), 0);
}

/**
 * A picture as a file to look at.
 * @param {Pixels} picture
 */
export function asPng({ width, height, pixels }) {
  return png(width, height, (/** @type {number} */ x, /** @type {number} */ y) => pixels[y * width + x]);
}

/**
 * Where two pictures differ, as a picture: white on black.
 * @param {Pixels} a
 * @param {Pixels} b
 */
export function differenceAsPng(a, b) {
  const { width, height } = a;
  return png(width, height, (/** @type {number} */ x, /** @type {number} */ y) =>
    x < b.width && y < b.height && a.pixels[y * width + x] === b.pixels[y * b.width + x] ? 0 : 0xffffff,
  );
}
