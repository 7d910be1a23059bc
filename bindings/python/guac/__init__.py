"""Remote desktops over the Guacamole protocol, from Python.

The codec (``Decoder``, ``encode``, ``parse``), both sides of the handshake, recordings played to pictures, and a
client that connects to any guacd or to a gateway, looks and types. Rust does the decoding, the canvas and the
waiting; other Python threads run meanwhile.
"""

from __future__ import annotations

from ._errors import CallerError, GuacError, LocalError, PeerError, Status, UpstreamError, WaitTimeout
from ._guac import Decoder, Instruction, encode, parse
from ._handshake import Args, ClientHandshake, ClientInfo, Connect, Ready, Selected, ServerHandshake

__all__ = [
    "Args",
    "CallerError",
    "ClientHandshake",
    "ClientInfo",
    "Connect",
    "Decoder",
    "GuacError",
    "Instruction",
    "LocalError",
    "PeerError",
    "Ready",
    "Selected",
    "ServerHandshake",
    "Status",
    "UpstreamError",
    "WaitTimeout",
    "encode",
    "parse",
]


def _instruction_from_bytes(raw: bytes) -> Instruction:
    """Make a pickled instruction again."""
    (instruction,) = parse(raw)
    return instruction
