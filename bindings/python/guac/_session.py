"""The client, blocking."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Literal

from . import _guac
from ._client import ErrorType, FileEntry, Region, SessionState, Tls, login_of, source_of, tls_settings
from ._guac import Image, keysym

__all__ = ["Session", "connect", "connect_gateway"]


class Session(SessionState):
    """A session that is open. Use it in a ``with`` block, or call ``close``.

    Several threads may use it at once, and others run while it waits. Ctrl-C interrupts a wait.
    """

    def screenshot(self) -> Image:
        """Give the display as of the last whole frame; before the first one, wait for it.

        :raises UpstreamError: if the session is over.
        """
        result: Image = self._native.screenshot(True)
        return result

    def type(self, text: str, *, pause: float = 0.0) -> None:
        """Type text, character by character; a line feed is Return. ``pause`` is in seconds, after each."""
        self._native.type_text(True, text, pause)

    def press(self, *keys: str) -> None:
        """Press keys and release them: ``"Return"``, ``"Control+Alt+t"``, ``"F5"``, ``"é"``; several one after the other.

        :raises CallerError: for a key that there is not.
        """
        self._native.press(True, list(keys))

    def key_down(self, key: str) -> None:
        """Press a key and keep it down."""
        self._native.key(True, keysym(key), True)

    def key_up(self, key: str) -> None:
        """Release a key."""
        self._native.key(True, keysym(key), False)

    def move(self, x: int, y: int) -> None:
        """Move the pointer, in pixels of the display."""
        self._native.mouse_move(True, x, y)

    def click(self, x: int, y: int, *, button: Literal["left", "middle", "right"] = "left", count: int = 1) -> None:
        """Click at a place; a ``count`` of 2 is a double click."""
        self._native.click(True, (x, y), button, count)

    def mouse_down(self, button: Literal["left", "middle", "right"] = "left") -> None:
        """Press a button where the pointer is."""
        self._native.mouse_button(True, button, True)

    def mouse_up(self, button: Literal["left", "middle", "right"] = "left") -> None:
        """Release a button where the pointer is."""
        self._native.mouse_button(True, button, False)

    def drag(self, start: tuple[int, int], end: tuple[int, int], *, button: Literal["left", "middle", "right"] = "left") -> None:
        """Press at one place, move to another, release there."""
        self._native.drag(True, start, end, button)

    def scroll(self, x: int, y: int, notches: int) -> None:
        """Turn the wheel at a place: below 0 upwards, above 0 downwards."""
        self._native.scroll(True, (x, y), notches)

    @property
    def clipboard(self) -> str | None:
        """The session's clipboard, as far as it told it and it is text. Assign to set it."""
        return self._native.clipboard

    @clipboard.setter
    def clipboard(self, text: str) -> None:
        self.set_clipboard(text)

    def set_clipboard(self, text: str) -> None:
        """Set the session's clipboard."""
        self._native.set_clipboard(True, text)

    def set_parameter(self, name: str, value: str) -> None:
        """Change a parameter of the running session, such as ``color-scheme``."""
        self._native.set_parameter(True, name, value)

    def resize(self, width: int, height: int) -> None:
        """Ask for another size of the display, in pixels. Not every machine follows, and none at once."""
        self._native.resize(True, width, height)

    def wait_for_frame(self, after: int = 0, *, timeout: float = 30.0) -> int:
        """Wait for a frame after this number, and give its number.

        :raises WaitTimeout: if none comes.
        """
        result: int = self._native.wait_frame(True, after, timeout)
        return result

    def wait_until_still(self, quiet: float = 0.5, *, timeout: float = 30.0) -> Image:
        """Wait until nothing was drawn for ``quiet`` seconds from now on, and give the display.

        :raises WaitTimeout: if it does not rest.
        """
        result: Image = self._native.wait_until_still(True, quiet, timeout)
        return result

    def wait_for_image(self, template: Image, *, region: Region | None = None, tolerance: int = 0, timeout: float = 30.0) -> Region:
        """Wait until a picture shows; give left, top, width and height.

        Each colour may differ by ``tolerance``: pictures of lossily compressed screens need about 16.

        :raises WaitTimeout: if it does not show.
        """
        result: Region = self._native.wait_for_image(True, template, region, tolerance, timeout)
        return result

    def wait_for_title(self, text: str, *, timeout: float = 30.0) -> str:
        """Wait until the session's title contains ``text``, and give the title.

        :raises WaitTimeout: if it does not.
        """
        result: str = self._native.wait_for_title(True, text, timeout)
        return result

    def wait_for_clipboard(self, text: str, *, timeout: float = 30.0) -> str:
        """Wait until the session's clipboard contains ``text``, and give it.

        :raises WaitTimeout: if it does not.
        """
        result: str = self._native.wait_for_clipboard(True, text, timeout)
        return result

    def wait_for_size(self, width: int, height: int, *, timeout: float = 30.0) -> None:
        """Wait until the display has this size.

        :raises WaitTimeout: if it does not.
        """
        self._native.wait_for_size(True, (width, height), timeout)

    def list_files(self, path: str = "/") -> list[FileEntry]:
        """List a directory of the session's files.

        :raises UpstreamError: if the session offers none.
        """
        return [FileEntry(*entry) for entry in self._native.list_files(True, path)]

    def upload(self, source: str | os.PathLike[str] | bytes, path: str) -> int:
        """Write a file of the session; give the number of bytes.

        ``source`` is a path of this machine, or the bytes themselves.

        :raises UpstreamError: if the session refuses.
        :raises LocalError: if the file cannot be read.
        """
        result: int = self._native.upload(True, source_of(source), path, False)
        return result

    def drop(self, source: str | os.PathLike[str] | bytes, name: str) -> int:
        """Send a file as a browser does when one is dropped on the display: the session decides where it goes."""
        result: int = self._native.upload(True, source_of(source), name, True)
        return result

    def download(self, path: str, target: str | os.PathLike[str]) -> int:
        """Fetch a file of the session into one of this machine; give the number of bytes.

        :raises LocalError: if it cannot be written.
        """
        result: int = self._native.download(True, path, os.fspath(target))
        return result

    def read_file(self, path: str) -> bytes:
        """Give what is in a file of the session, up to 256 MiB."""
        result: bytes = self._native.read_file(True, path)
        return result

    def next_file(self, *, timeout: float = 30.0) -> tuple[str, bytes]:
        """Wait for a file that the session sends by itself; give its name, which may be any text, and what is in it.

        :raises WaitTimeout: if none comes.
        """
        result: tuple[str, bytes] = self._native.next_file(True, timeout)
        return result

    def close(self) -> None:
        """Leave the session; every call that waits ends. Once more does nothing."""
        self._native.close(True)

    def __enter__(self) -> Session:
        """Use it in a block."""
        return self

    def __exit__(
        self, kind: ErrorType, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the session."""
        self.close()


def connect(
    selection: str,
    params: Mapping[str, str] | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 4822,
    width: int = 1024,
    height: int = 768,
    dpi: int = 96,
    timezone: str | None = None,
    name: str | None = None,
    tls: Tls | None = None,
    timeout: float = 30.0,
) -> Session:
    """Open a session at a guacd, Guacamole's own or any other.

    :param selection: A protocol such as ``"ssh"`` or ``"vnc"``, or the ``connection_id`` of a session to join.
    :param params: The protocol's parameters, such as ``hostname``, ``username``, ``password``.
    :param host: Where guacd is.
    :param port: Its port.
    :param width: Wanted width of the display, in pixels.
    :param height: Wanted height of the display, in pixels.
    :param dpi: Its resolution, in dots per inch.
    :param timezone: IANA time zone to tell.
    :param name: Name to tell other users of the session.
    :param tls: How to check guacd's certificate; ``None`` for no TLS.
    :param timeout: Most seconds to connect.
    :raises LocalError: if guacd cannot be reached.
    :raises UpstreamError: if it refuses.
    :raises WaitTimeout: if it does not answer.
    """
    settings = (width, height, dpi, timezone, name, timeout)
    values = list((params or {}).items())
    native: _guac.Client = _guac.connect_guacd(True, (host, port), selection, values, tls_settings(tls), settings)
    return Session(native)


def connect_gateway(
    url: str,
    connection: str,
    *,
    username: str | None = None,
    password: str | None = None,
    token: str | None = None,
    by_id: bool = False,
    kind: Literal["connection", "group", "active"] = "connection",
    data_source: str | None = None,
    width: int = 1024,
    height: int = 768,
    dpi: int = 96,
    timezone: str | None = None,
    tls: Tls | None = None,
    timeout: float = 30.0,
) -> Session:
    """Open a connection of a gateway: guacd-lite, or Guacamole's web application.

    :param url: The gateway's address, with its path: ``https://desk.example.org/guacamole/``.
    :param connection: Name of the connection, or its identifier with ``by_id``.
    :param username: Who logs in. The login ends with the session.
    :param password: Proof.
    :param token: The token of a login made before, instead of name and password; it stays.
    :param by_id: Whether ``connection`` is an identifier.
    :param kind: What ``connection`` is: a connection, a balancing group, or a session that runs.
    :param data_source: Which of the gateway's data sources; the one that logged in if not told.
    :param width: Wanted width of the display, in pixels.
    :param height: Wanted height of the display, in pixels.
    :param dpi: Its resolution, in dots per inch.
    :param timezone: IANA time zone to tell.
    :param tls: How to check the gateway's certificate.
    :param timeout: Most seconds to connect.
    :raises LocalError: if the gateway cannot be reached.
    :raises UpstreamError: if it refuses the login or has no such connection.
    :raises WaitTimeout: if it does not answer.
    """
    settings = (width, height, dpi, timezone, None, timeout)
    native: _guac.Client = _guac.connect_gateway(
        True,
        url,
        (connection, by_id, kind, data_source),
        login_of(username, password, token),
        tls_settings(tls),
        settings,
    )
    return Session(native)
