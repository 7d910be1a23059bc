"""Measures a Python parser over a corpus. usage: parse.py guapy|pyguacamole FILE PASSES

Prints bytes, instructions, elements and CPU seconds of all passes.
"""

import sys
import time
from pathlib import Path


def guapy(reads: list[bytes]) -> tuple[int, int]:
    """The parser that its transport uses; the limit is raised to guacd's own, without which it refuses blobs."""
    from guapy.protocol import InstructionParser

    parser = InstructionParser(max_instruction_length=32768)
    instructions = elements = 0
    for read in reads:
        for instruction in parser.feed(read):
            instructions += 1
            elements += 1 + len(instruction.args)
    return instructions, elements


def pyguacamole(reads: list[bytes]) -> tuple[int, int]:
    """Its client over a socket that gives one read at a time, as it would over a network."""
    from guacamole.client import GuacamoleClient
    from guacamole.instruction import GuacamoleInstruction

    class Socket:
        def __init__(self) -> None:
            self.rest = iter(reads)

        def recv(self, _size: int) -> bytes:
            return next(self.rest, b"")

        def close(self) -> None:
            pass

    client = GuacamoleClient("localhost", 0)
    client._client = Socket()
    instructions = elements = 0
    while (line := client.receive()) is not None:
        instruction = GuacamoleInstruction.load(line)
        instructions += 1
        elements += 1 + len(instruction.args)
    return instructions, elements


def main() -> None:
    which, file, passes = sys.argv[1:]
    data = Path(file).read_bytes()
    reads = [data[at : at + 8192] for at in range(0, len(data), 8192)]
    run = {"guapy": guapy, "pyguacamole": pyguacamole}[which]
    before = time.process_time()
    found = [run(reads) for _ in range(int(passes))]
    cpu = time.process_time() - before
    print(len(data) * int(passes), sum(f[0] for f in found), sum(f[1] for f in found), cpu)


main()
