"""What can go wrong, one class per who is to blame, and the statuses of the protocol."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._guac import Instruction

__all__ = ["CallerError", "GuacError", "LocalError", "PeerError", "Status", "UpstreamError", "WaitTimeout"]


class Status(enum.IntEnum):
    """Outcome of an operation as the Guacamole protocol numbers it."""

    SUCCESS = 0x0000
    UNSUPPORTED = 0x0100
    SERVER_ERROR = 0x0200
    SERVER_BUSY = 0x0201
    UPSTREAM_TIMEOUT = 0x0202
    UPSTREAM_ERROR = 0x0203
    RESOURCE_NOT_FOUND = 0x0204
    RESOURCE_CONFLICT = 0x0205
    RESOURCE_CLOSED = 0x0206
    UPSTREAM_NOT_FOUND = 0x0207
    UPSTREAM_UNAVAILABLE = 0x0208
    SESSION_CONFLICT = 0x0209
    SESSION_TIMEOUT = 0x020A
    SESSION_CLOSED = 0x020B
    CLIENT_BAD_REQUEST = 0x0300
    CLIENT_UNAUTHORIZED = 0x0301
    CLIENT_FORBIDDEN = 0x0303
    CLIENT_TIMEOUT = 0x0308
    CLIENT_OVERRUN = 0x030D
    CLIENT_BAD_TYPE = 0x030F
    CLIENT_TOO_MANY = 0x031D

    @property
    def http(self) -> int:
        """HTTP status code of a response that reports this."""
        return _numbers()[self][0]

    @property
    def websocket(self) -> int:
        """WebSocket close code of a tunnel that ends with this."""
        return _numbers()[self][1]


def _numbers() -> dict[int, tuple[int, int]]:
    from . import _guac

    return {code: (http, websocket) for _, code, http, websocket in _guac._statuses()}


class GuacError(Exception):
    """Anything that this package raises on its own account."""

    status: Status
    """What the protocol calls it."""

    def __init__(self, message: str = "", status: int = Status.SERVER_ERROR) -> None:
        """Tell what happened, with a number that other software understands."""
        super().__init__(message)
        try:
            self.status = Status(status)
        except ValueError:
            self.status = Status.SERVER_ERROR

    def __reduce__(self) -> tuple[type[GuacError], tuple[str, int]]:
        """Pickle with the status."""
        return type(self), (str(self), int(self.status))


class PeerError(GuacError):
    """The other end of the connection broke the protocol."""

    instructions: Sequence[Instruction] = ()
    """What was whole before the bytes that the codec refused."""


class UpstreamError(GuacError):
    """The server, or the machine behind it, refused, failed or went away."""


class CallerError(GuacError, ValueError):
    """The call asks for something that cannot be: a bad argument, or the wrong moment."""


class LocalError(GuacError, OSError):
    """This machine cannot do it: no such file, no route, no permission."""

    def __str__(self) -> str:
        """Give the message alone."""
        return str(self.args[0]) if self.args else ""


class WaitTimeout(GuacError, TimeoutError):
    """What was waited for did not come in time."""

    def __str__(self) -> str:
        """Give the message alone."""
        return str(self.args[0]) if self.args else ""
