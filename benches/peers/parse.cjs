// Measures a JavaScript parser over a corpus. usage: node parse.cjs common|lite MODULES FILE PASSES
// Prints bytes, instructions, elements and CPU seconds of all passes.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { StringDecoder } = require("node:string_decoder");

const [which, modules, file, passes] = process.argv.slice(2);
const files = {
    common: "guacamole-common-js/dist/cjs/guacamole-common.js",
    lite: "guacamole-lite/lib/vendor/GuacamoleParser.js",
};
const loaded = require(path.resolve(modules, files[which]));
const Parser = which === "common" ? loaded.Parser : loaded;
const bytes = fs.readFileSync(file);
// Text is made before the clock starts, which is in the peer's favour: a browser's WebSocket delivers text.
const decoder = new StringDecoder("utf8");
const reads = [];
for (let at = 0; at < bytes.length; at += 8192) reads.push(decoder.write(bytes.subarray(at, at + 8192)));

let instructions = 0;
let elements = 0;
const before = process.cpuUsage();
for (let pass = 0; pass < Number(passes); pass++) {
    const parser = new Parser();
    parser.oninstruction = (opcode, parameters) => {
        instructions++;
        elements += parameters.length + 1;
    };
    for (const read of reads) parser.receive(read);
}
const used = process.cpuUsage(before);
console.log(bytes.length * passes, instructions, elements, (used.user + used.system) / 1e6);
