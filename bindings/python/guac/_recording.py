"""Recordings played to pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from . import _guac
from ._errors import CallerError, PeerError
from ._guac import Decoder, Image

__all__ = ["Frame", "KeyEvent", "Recording"]

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Frame:
    """What the screen showed from a moment on."""

    number: int
    """Counted from 0."""
    time: float
    """Seconds after the first frame."""
    image: Image
    """The picture, with the pointer."""


@dataclass(frozen=True)
class KeyEvent:
    """A key that went down or up. Keys are in a recording only if the connection said so."""

    time: float
    """Seconds after the first frame; 0 for what came before it."""
    keysym: int
    """X11 keysym."""
    pressed: bool
    """Down, or up."""

    @property
    def name(self) -> str:
        """The key's name, such as ``a`` or ``Return``."""
        return _guac.keysym_name(self.keysym) or f"0x{self.keysym:x}"


class Recording:
    """A recorded session: a sequence of frames, by number or by time.

    Looking at frames in order costs the work of each; going back starts at the nearest picture kept.
    """

    def __init__(self, source: str | os.PathLike[str] | bytes) -> None:
        """Open a file, or take a recording's bytes.

        :raises LocalError: if the file cannot be read.
        """
        self._source = source
        if isinstance(source, bytes):
            self._player = _guac.Player.load(source)
        else:
            self._player = _guac.Player.open(os.fspath(source))

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return self._player.duration

    @property
    def damaged(self) -> str | None:
        """Why it ends where it does, if it is damaged there."""
        return self._player.damaged

    def __len__(self) -> int:
        """Count the frames."""
        return self._player.frames

    def __getitem__(self, number: int) -> Frame:
        """Show a frame by its number; negative ones count from the end."""
        index = number + len(self) if number < 0 else number
        time = self._player.time_of(index) if index >= 0 else None
        if time is None:
            raise IndexError("frame number out of range")
        return Frame(index, time, self._player.picture(index + 1, True))

    def __iter__(self) -> Iterator[Frame]:
        """Show frame after frame."""
        return (self[number] for number in range(len(self)))

    def seek(self, time: float) -> Frame:
        """Show what was on the screen this many seconds after the first frame.

        :raises CallerError: for a recording without frames, or a time below 0.
        """
        shown = self._player.frames_at(time)
        if shown == 0:
            raise CallerError("the recording has no frame")
        return self[shown - 1]

    def key_events(self) -> list[KeyEvent]:
        """Give all keys that went down or up, in order."""
        events: list[KeyEvent] = []
        first: int | None = None
        decoder = Decoder()
        for chunk in self._chunks():
            try:
                instructions = decoder.feed(chunk)
                broken = False
            except PeerError as error:
                # What follows damage is not played either.
                instructions = list(error.instructions)
                broken = True
            for instruction in instructions:
                match instruction.opcode, instruction.args:
                    case "sync", (timestamp, *_) if first is None and timestamp.isdecimal():
                        first = int(timestamp)
                    case "key", (keysym, pressed, *rest) if keysym.isdecimal():
                        now = int(rest[0]) if rest and rest[0].isdecimal() else first
                        since = 0.0 if first is None or now is None else max(0.0, (now - first) / 1000)
                        events.append(KeyEvent(since, int(keysym), pressed == "1"))
            if broken:
                break
        return events

    def _chunks(self) -> Iterator[bytes]:
        if isinstance(self._source, bytes):
            yield self._source
            return
        with Path(self._source).open("rb") as file:
            while chunk := file.read(_READ_BYTES):
                yield chunk

    def __enter__(self) -> Recording:
        """Use it in a ``with`` block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Do nothing: there is no open file."""

    def __repr__(self) -> str:
        """Tell its length."""
        return f"<Recording of {len(self)} frames, {self.duration:.1f} s>"
