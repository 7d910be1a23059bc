"""Measures the codec beside guapy and pyguacamole, in CPU time of one run, and prints a table.

    python bench.py [FILE.guac ...] [--read BYTES] [--rounds N] [--seconds S]

Without files it makes its corpora itself, the same on every machine: a megabyte each, which fits a processor's
second-level cache, because what is parsed was copied there by the kernel a moment ago. Peers that are not installed
are left out.
"""

from __future__ import annotations

import argparse
import logging
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import guac

#: Least bytes of a corpus that is made here.
CORPUS_BYTES = 1_000_000

#: Bytes of image data in a ``blob``, as guacd sends them.
BLOB_BYTES = 6048

#: Scripts of the ``unicode`` corpus, as first and last code points; the last lies outside the basic plane.
SCRIPTS = [(0x61, 0x7A), (0xC0, 0x17E), (0x410, 0x44F), (0x5D0, 0x5EA), (0x4E00, 0x6FFF), (0xAC00, 0xBFFF), (0x1F300, 0x1F64E)]

#: What a parser does with the reads of one corpus: it gives the number of instructions.
Parser = Callable[[Sequence[bytes]], int]


def ours(reads: Sequence[bytes]) -> int:
    """Every instruction as an object, looking at nothing: the way guapy is measured."""
    decoder = guac.Decoder()
    return sum(len(decoder.feed(read)) for read in reads)


def ours_opcodes(reads: Sequence[bytes]) -> int:
    """Every instruction as an object, looking at its opcode, as a relay or a filter does."""
    decoder = guac.Decoder()
    count = 0
    for read in reads:
        for instruction in decoder.feed(read):
            if instruction.opcode:
                count += 1
    return count


def ours_strings(reads: Sequence[bytes]) -> int:
    """Every element of every instruction as ``str``."""
    decoder = guac.Decoder()
    count = 0
    for read in reads:
        for instruction in decoder.feed(read):
            if instruction.opcode and instruction.args is not None:
                count += 1
    return count


def guapy(reads: Sequence[bytes]) -> int:
    """guapy's own incremental parser, which makes every element a string."""
    from guapy.protocol.parser import InstructionParser

    parser = InstructionParser(max_instruction_length=1 << 20)
    return sum(len(parser.feed(read)) for read in reads)


def pyguacamole(reads: Sequence[bytes]) -> int:
    """pyguacamole's reader over a socket that gives these reads."""
    from guacamole.client import GuacamoleClient
    from guacamole.instruction import GuacamoleInstruction

    class Socket:
        def __init__(self) -> None:
            self.reads = iter(reads)

        def recv(self, _size: int) -> bytes:
            return next(self.reads, b"")

        def close(self) -> None:
            pass

    client = GuacamoleClient("127.0.0.1", 4822)
    client._client = Socket()
    count = 0
    while text := client.receive():
        GuacamoleInstruction.load(text)
        count += 1
    return count


PARSERS: dict[str, Parser] = {
    "ours": ours,
    "ours, opcodes": ours_opcodes,
    "ours, all as str": ours_strings,
    "guapy": guapy,
    "pyguacamole": pyguacamole,
}


def draw(dice: random.Random) -> Iterable[bytes]:
    """A desktop being drawn: image data in the largest blobs, copies and fills between, a ``sync`` per frame."""
    for frame in range(1_000_000):
        for _ in range(dice.choice([0, 1, 2, 4])):
            yield rectangle(dice, "copy")
            yield from fill(dice)
        for stream in range(dice.choice([1, 1, 2, 3])):
            yield guac.encode("img", stream, 14, 0, "image/png", dice.randrange(1920), dice.randrange(1080))
            data = dice.randbytes(dice.choice([dice.randrange(150, 4000), dice.randrange(5000, 60_000)]))
            for at in range(0, len(data), BLOB_BYTES):
                yield guac.encode("blob", stream, data[at : at + BLOB_BYTES])
            yield guac.encode("end", stream)
        yield guac.encode("sync", 1_790_000_000_000 + 40 * frame, 1)


def small(dice: random.Random) -> Iterable[bytes]:
    """Instructions of a few short elements: pointer, keys, frame ends, answers, rectangles."""
    for moment in range(1_790_000_000_000, 1_800_000_000_000, 20):
        kind = dice.randrange(100)
        if kind < 34:
            yield guac.encode("mouse", dice.randrange(1920), dice.randrange(1080), dice.randrange(8), moment)
        elif kind < 46:
            yield guac.encode("key", dice.randrange(32, 65_032), dice.randrange(2), moment)
        elif kind < 58:
            yield guac.encode("sync", moment, 1)
        elif kind < 62:
            yield guac.encode("nop")
        elif kind < 72:
            yield guac.encode("ack", dice.randrange(64), "OK", 0)
        elif kind < 90:
            yield from fill(dice)
        else:
            yield rectangle(dice, "copy")


def unicode(dice: random.Random) -> Iterable[bytes]:
    """Text of all scripts, short and long: clipboards, names, parameters, messages."""
    while True:
        kind = dice.randrange(100)
        if kind < 25:
            yield guac.encode("clipboard", dice.randrange(64), "text/plain", text(dice, 100, 2000))
        elif kind < 60:
            yield guac.encode("name", text(dice, 5, 60))
        elif kind < 85:
            yield guac.encode("argv", dice.randrange(64), "text/plain", text(dice, 3, 30), text(dice, 5, 300))
        else:
            yield guac.encode("log", text(dice, 20, 200))


def rectangle(dice: random.Random, opcode: str) -> bytes:
    """Pixels moved from one place to another."""
    places = [dice.randrange(limit) for limit in (1920, 1080, 1920, 1080, 1920, 1080)]
    return guac.encode(opcode, 0, *places[:4], 14, 0, *places[4:])


def fill(dice: random.Random) -> Iterable[bytes]:
    """A rectangle and its colour."""
    yield guac.encode("rect", 0, *(dice.randrange(limit) for limit in (1920, 1080, 1920, 1080)))
    yield guac.encode("cfill", 14, 0, *(dice.randrange(256) for _ in range(3)), 255)


def text(dice: random.Random, least: int, most: int) -> str:
    """Words of one script, with spaces of ASCII between."""
    first, last = dice.choice(SCRIPTS)
    letters = (" " if dice.random() < 0.15 else chr(dice.randint(first, last)) for _ in range(dice.randint(least, most)))
    return "".join(letters)


def corpus(make: Callable[[random.Random], Iterable[bytes]]) -> bytes:
    """Whole instructions, a little more than ``CORPUS_BYTES`` of them."""
    data = bytearray()
    for instruction in make(random.Random(3)):
        data += instruction
        if len(data) >= CORPUS_BYTES:
            break
    return bytes(data)


def chunks(data: bytes, size: int) -> list[bytes]:
    """The data as reads of a socket."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def measure(parser: Parser, reads: Sequence[bytes], rounds: int, seconds: float, expected: int) -> str | float:
    """Median MB per CPU second of rounds that take so long, or why there is none."""
    try:
        count = parser(reads)  # unmeasured: imports, caches
    except ImportError:
        return "not installed"
    except Exception:
        return "fails"
    if count != expected:
        return f"wrong ({count} of {expected})"
    size = sum(map(len, reads))
    speeds = []
    for _ in range(rounds):
        passes = 0
        start = time.process_time()
        while (spent := time.process_time() - start) < seconds:
            parser(reads)
            passes += 1
        speeds.append(passes * size / spent / 1e6)
    return statistics.median(speeds)


def table(rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---" * (lines[0].count("|") - 1) + "|")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("files", type=Path, nargs="*")
    arguments.add_argument("--read", type=int, default=8192, help="bytes per read (8192)")
    arguments.add_argument("--rounds", type=int, default=9, help="how often each is measured (9)")
    arguments.add_argument("--seconds", type=float, default=0.2, help="least CPU time of a round (0.2)")
    chosen = arguments.parse_args()
    logging.disable()  # pyguacamole says much
    corpora = {file.stem: file.read_bytes() for file in chosen.files}
    if not corpora:
        corpora = {make.__name__: corpus(make) for make in (draw, small, unicode)}
    results: dict[str, dict[str, str | float]] = {name: {} for name in PARSERS}
    for column, data in corpora.items():
        reads = chunks(data, chosen.read)
        expected = len(guac.parse(data))
        for name, parser in PARSERS.items():
            results[name][column] = measure(parser, reads, chosen.rounds, chosen.seconds, expected)
    rows = [["MB per CPU second", *corpora]]
    for name, speeds in results.items():
        row = [name]
        for column in corpora:
            speed, peer = speeds[column], results["guapy"][column]
            text = speed if isinstance(speed, str) else f"{speed:.0f}" if speed >= 10 else f"{speed:.1f}"
            if name.startswith("ours") and isinstance(speed, float) and isinstance(peer, float):
                text += f" ({speed / peer:.0f}x guapy)"
            row.append(text)
        rows.append(row)
    print(f"reads of {chosen.read} bytes, median of {chosen.rounds}")
    print(table(rows))


if __name__ == "__main__":
    main()
