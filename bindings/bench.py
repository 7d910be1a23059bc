"""Measures the codec beside guapy and pyguacamole, in CPU time of one run, and prints a table.

    python bench.py CORPUS_DIRECTORY [--read BYTES] [--rounds N] [--screenshot]

Corpora are the files ``*.guac`` of the directory. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import guac

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


def chunks(data: bytes, size: int) -> list[bytes]:
    """The data as reads of a socket."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def measure(parser: Parser, reads: Sequence[bytes], size: int, rounds: int, expected: int) -> str | float:
    """Median MB per CPU second, or why there is none."""
    speeds = []
    for _ in range(rounds):
        start = time.process_time()
        try:
            count = parser(reads)
        except ImportError:
            return "not installed"
        except Exception:
            return "fails"
        spent = time.process_time() - start
        if count != expected:
            return f"wrong ({count} of {expected})"
        speeds.append(size / spent / 1e6)
        if spent > 5:
            break
    return statistics.median(speeds)


def table(rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---" * (lines[0].count("|") - 1) + "|")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("corpora", type=Path)
    arguments.add_argument("--read", type=int, default=8192, help="bytes per read (8192)")
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    results: dict[str, dict[str, str | float]] = {name: {} for name in PARSERS}
    corpora = [file for name in ("draw", "small", "unicode") for file in chosen.corpora.glob(f"{name}.guac")]
    for corpus in corpora:
        data = corpus.read_bytes()
        reads = chunks(data, chosen.read)
        expected = len(guac.parse(data[: data.rindex(b";") + 1]))
        for name, parser in PARSERS.items():
            results[name][corpus.stem] = measure(parser, reads, len(data), chosen.rounds, expected)
    rows = [["MB per CPU second", *(corpus.stem for corpus in corpora)]]
    for name, speeds in results.items():
        row = [name]
        for corpus in corpora:
            speed, peer = speeds[corpus.stem], results["guapy"][corpus.stem]
            text = speed if isinstance(speed, str) else f"{speed:.0f}" if speed >= 10 else f"{speed:.1f}"
            if name.startswith("ours") and isinstance(speed, float) and isinstance(peer, float):
                text += f" ({speed / peer:.0f}x guapy)"
            row.append(text)
        rows.append(row)
    print(f"reads of {chosen.read} bytes, median of {chosen.rounds}")
    print(table(rows))


if __name__ == "__main__":
    main()
