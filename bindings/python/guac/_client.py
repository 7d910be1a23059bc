"""What both faces of the client share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from . import _guac
from ._errors import CallerError

__all__ = ["ErrorType", "FileEntry", "Region", "SessionState", "Tls"]

Region: TypeAlias = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""

ErrorType: TypeAlias = type[BaseException] | None
"""What a ``with`` block tells. Named here because ``type`` is a method in the sessions."""


@dataclass(frozen=True)
class Tls:
    """How the other side's certificate is checked: by the system's authorities, and what is added here."""

    authorities: str | os.PathLike[str] | None = None
    """A PEM file with authorities to trust too."""
    verify: bool = True
    """``False`` checks nothing: whoever sits between can read and change everything."""


@dataclass(frozen=True)
class FileEntry:
    """A file or directory of a session."""

    path: str
    """Its whole path, as ``download`` wants it."""
    mimetype: str
    """Its type, as the session says."""
    is_directory: bool
    """Whether it can be listed."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rstrip("/").rpartition("/")[2]


class SessionState:
    """What is known of a session without waiting."""

    def __init__(self, native: _guac.Client) -> None:
        """Take what ``connect`` opened."""
        self._native = native

    @property
    def connection_id(self) -> str | None:
        """The id by which others join the session at the same guacd; gateways do not tell it."""
        return self._native.connection_id

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the display, in pixels; zeros before the first frame."""
        return self._native.size

    @property
    def frame(self) -> int:
        """Frames received so far."""
        return self._native.frame

    @property
    def title(self) -> str | None:
        """The session's title; terminals set it."""
        return self._native.title

    @property
    def open(self) -> bool:
        """Whether the session still runs."""
        return self._native.open

    def __repr__(self) -> str:
        """Tell whether it is open."""
        return f"<{type(self).__name__} {'open' if self.open else 'closed'}>"


def tls_settings(tls: Tls | None) -> tuple[bytes | None, bool] | None:
    """Give what the native side takes."""
    if tls is None:
        return None
    authorities = None if tls.authorities is None else Path(tls.authorities).read_bytes()
    return authorities, not tls.verify


def login_of(username: str | None, password: str | None, token: str | None) -> tuple[str | None, str]:
    """Give a name and password, or nothing and a token."""
    if token is not None and username is None and password is None:
        return None, token
    if token is None and username is not None and password is not None:
        return username, password
    raise CallerError("a gateway wants username and password, or a token")


def source_of(source: str | os.PathLike[str] | bytes) -> tuple[bytes | None, str | None]:
    """Tell bytes and paths apart."""
    return (source, None) if isinstance(source, bytes) else (None, os.fspath(source))
