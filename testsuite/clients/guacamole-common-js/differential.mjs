// Reads instructions that our encoder wrote with the stock parser, and writes them again with the stock writer.
//   node differential.mjs PACKAGE WIRE PARSED [WRITTEN]
// WIRE holds UTF-8; PARSED becomes a JSON array of element arrays; WRITTEN the same instructions in stock form.
import { readFileSync, writeFileSync } from 'node:fs';

// A browser library: it looks for the page's window when it is loaded.
globalThis.window = globalThis;

const [name, wire, parsed, written] = process.argv.slice(2);
const library = await import(name);
const Guacamole = library.default ?? library;

const elements = [];
const parser = new Guacamole.Parser();
parser.oninstruction = (opcode, args) => elements.push([opcode, ...args]);

// Cut anywhere between UTF-16 units but not within a surrogate pair: a WebSocket delivers whole characters.
const text = readFileSync(wire, 'utf8');
let seed = 1;
for (let at = 0; at < text.length;) {
    seed = (seed * 48271) % 2147483647;
    let end = Math.min(at + 1 + (seed % 4096), text.length);
    if (end < text.length && (text.charCodeAt(end) & 0xfc00) === 0xdc00) end += 1;
    parser.receive(text.slice(at, end));
    at = end;
}
writeFileSync(parsed, JSON.stringify(elements));
if (written) writeFileSync(written, elements.map((all) => Guacamole.Parser.toInstruction(all)).join(''));
console.log(`${elements.length} instructions`);
