"""Remote desktops over the Guacamole protocol, from Python.

The codec (``Decoder``, ``encode``, ``parse``), both sides of the handshake, recordings played to pictures, and a
client that connects to any guacd or to a gateway, looks and types: ``connect`` blocks, ``guac.aio.connect`` is for
asyncio. Rust does the decoding, the canvas and the waiting; other Python threads run meanwhile.
"""

from __future__ import annotations

from . import aio
from ._client import FileEntry, Region, Tls
from ._errors import CallerError, GuacError, LocalError, PeerError, Status, UpstreamError, WaitTimeout
from ._guac import Decoder, Image, Instruction, encode, keysym, keysym_name, parse
from ._handshake import Args, ClientHandshake, ClientInfo, Connect, Ready, Selected, ServerHandshake
from ._recording import Frame, KeyEvent, Recording
from ._session import Session, connect, connect_gateway

__all__ = [
    "Args",
    "CallerError",
    "ClientHandshake",
    "ClientInfo",
    "Connect",
    "Decoder",
    "FileEntry",
    "Frame",
    "GuacError",
    "Image",
    "Instruction",
    "KeyEvent",
    "LocalError",
    "PeerError",
    "Ready",
    "Recording",
    "Region",
    "Selected",
    "ServerHandshake",
    "Session",
    "Status",
    "Tls",
    "UpstreamError",
    "WaitTimeout",
    "aio",
    "connect",
    "connect_gateway",
    "encode",
    "keysym",
    "keysym_name",
    "parse",
]


def _instruction_from_bytes(raw: bytes) -> Instruction:
    """Make a pickled instruction again."""
    (instruction,) = parse(raw)
    return instruction
