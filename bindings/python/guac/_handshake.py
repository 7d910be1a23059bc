"""Both sides of the handshake, without I/O: instructions in, steps and bytes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from . import _guac
from ._guac import Instruction

__all__ = ["Args", "ClientHandshake", "ClientInfo", "Connect", "Ready", "Selected", "ServerHandshake"]


@dataclass(frozen=True)
class ClientInfo:
    """What a client says about itself."""

    width: int = 1024
    """Wanted display width in pixels."""
    height: int = 768
    """Wanted display height in pixels."""
    dpi: int = 96
    """Resolution in dots per inch."""
    audio: tuple[str, ...] = ()
    """Audio types the client plays."""
    video: tuple[str, ...] = ()
    """Video types the client plays."""
    image: tuple[str, ...] = ("image/png", "image/jpeg", "image/webp")
    """Image types the client shows."""
    timezone: str | None = None
    """IANA time zone."""
    name: str | None = None
    """Name of the person, for others in the session to read."""


@dataclass(frozen=True)
class Args:
    """The server told its parameters; answer with ``ClientHandshake.connect``."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Ready:
    """The session runs; this id joins it."""

    connection_id: str


@dataclass(frozen=True)
class Selected:
    """The client chose a protocol, or a session to join; answer with ``ServerHandshake.offer``."""

    protocol: str | None
    connection_id: str | None


@dataclass(frozen=True)
class Connect:
    """The client is ready; answer with ``ServerHandshake.ready``."""

    info: ClientInfo
    version: str
    """Such as ``VERSION_1_5_0``; empty for one that is unknown."""
    values: Mapping[str, str] = field(repr=False)
    """Value by parameter, empty for unset. Holds secrets, so it is not in the ``repr``."""


class ClientHandshake:
    """The client's side: what a gateway does towards guacd.

    Send ``take_output()`` after making it and after ``connect``.
    """

    def __init__(self, selection: str) -> None:
        """Select a protocol such as ``"ssh"``, or a running session by its id, which starts with ``$``."""
        self._native = _guac.ClientHandshake(selection)

    def handle(self, instruction: Instruction) -> Args | Ready | None:
        """Take the server's next instruction; ``None`` means: go on.

        :raises UpstreamError: if the server refuses.
        :raises PeerError: for anything out of order.
        """
        names, connection_id = self._native.handle(instruction)
        if names is not None:
            return Args(tuple(names))
        return Ready(connection_id) if connection_id is not None else None

    def connect(self, info: ClientInfo, values: Mapping[str, str]) -> None:
        """Answer ``Args``: say who we are, and the values of parameters; those not named stay unset."""
        lists = (list(info.audio), list(info.video), list(info.image))
        about = (info.width, info.height, info.dpi, *lists, info.timezone, info.name)
        self._native.connect(about, list(values.items()))

    def take_output(self) -> bytes:
        """Give the bytes to send, once."""
        return self._native.take_output()


class ServerHandshake:
    """The server's side: what guacd does."""

    def __init__(self) -> None:
        """Wait for ``select``."""
        self._native = _guac.ServerHandshake()
        self._names: tuple[str, ...] = ()

    def handle(self, instruction: Instruction) -> Selected | Connect | None:
        """Take the client's next instruction; ``None`` means: go on.

        :raises PeerError: for anything out of order.
        """
        selection, connect = self._native.handle(instruction)
        if selection is not None:
            joins = selection.startswith("$")
            return Selected(None if joins else selection, selection if joins else None)
        if connect is None:
            return None
        (width, height, dpi, audio, video, image, timezone, name), version, values = connect
        info = ClientInfo(width, height, dpi, tuple(audio), tuple(video), tuple(image), timezone, name)
        return Connect(info, version, dict(zip(self._names, values)))

    def offer(self, names: Iterable[str]) -> None:
        """Answer ``Selected`` with the names of the parameters."""
        self._names = tuple(names)
        self._native.offer(list(self._names))

    def ready(self, connection_id: str) -> None:
        """Answer ``Connect`` with the session's id, which starts with ``$``."""
        self._native.ready(connection_id)

    def take_output(self) -> bytes:
        """Give the bytes to send, once."""
        return self._native.take_output()
