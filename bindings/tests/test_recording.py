"""Recordings played to pictures."""

from __future__ import annotations

from pathlib import Path

import guac
import pytest


def frame(colour: tuple[int, int, int], at_ms: int) -> bytes:
    """A whole screen of one colour."""
    return (
        guac.encode("rect", 0, 0, 0, 4, 2)
        + guac.encode("cfill", 14, 0, *colour, 255)
        + guac.encode("sync", at_ms, 1)
    )


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
DATA = (
    guac.encode("size", 0, 4, 2)
    + frame(RED, 1000)
    + guac.encode("key", 0x61, 1, 1500)
    + guac.encode("key", 0x61, 0, 1600)
    + frame(GREEN, 2000)
    + guac.encode("key", 0xFF0D, 1, 3000)
    + frame(BLUE, 5500)
)


@pytest.fixture(params=["bytes", "file"])
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> guac.Recording:
    """The same from memory and from a file."""
    if request.param == "bytes":
        return guac.Recording(DATA)
    path = tmp_path / "session.guac"
    path.write_bytes(DATA)
    return guac.Recording(path)


def test_frames_come_in_order_with_their_times(recording: guac.Recording) -> None:
    with recording:
        frames = list(recording)
    assert [(frame.number, frame.time, frame.image.pixel(1, 1)) for frame in frames] == [
        (0, 0.0, RED),
        (1, 1.0, GREEN),
        (2, 4.5, BLUE),
    ]
    assert (len(recording), recording.duration, recording.damaged) == (3, 4.5, None)
    assert repr(recording) == "<Recording of 3 frames, 4.5 s>"


def test_any_time_is_sought_in_any_order(recording: guac.Recording) -> None:
    for time, number in ((4.5, 2), (0.0, 0), (2.0, 1), (99.0, 2), (0.999, 0)):
        assert recording.seek(time).number == number
    assert recording[-1].image.pixel(0, 0) == BLUE
    assert recording[0].image.pixel(0, 0) == RED
    for number in (3, -4):
        with pytest.raises(IndexError):
            recording[number]
    with pytest.raises(guac.CallerError):
        recording.seek(-1)


def test_keys_are_told_with_times_and_names(recording: guac.Recording) -> None:
    events = recording.key_events()
    assert [(event.time, event.name, event.pressed) for event in events] == [
        (0.5, "a", True),
        (0.6, "a", False),
        (2.0, "Return", True),
    ]


def test_damage_ends_a_recording_and_is_told() -> None:
    damaged = guac.Recording(DATA + b"not an instruction")
    assert len(damaged) == 3
    assert damaged.damaged
    assert len(damaged.key_events()) == 3
    with pytest.raises(guac.CallerError):
        guac.Recording(b"").seek(0)


def test_a_file_that_is_not_there_is_this_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(guac.LocalError) as caught:
        guac.Recording(tmp_path / "missing")
    assert caught.value.status is guac.Status.RESOURCE_NOT_FOUND
    assert isinstance(caught.value, OSError)


def test_keysyms_have_names() -> None:
    assert (guac.keysym("Return"), guac.keysym("a"), guac.keysym("€")) == (0xFF0D, 0x61, 0x010020AC)
    assert (guac.keysym_name(0xFF0D), guac.keysym_name(0x61), guac.keysym_name(0x010020AC)) == ("Return", "a", "€")
    with pytest.raises(guac.CallerError):
        guac.keysym("no-such-key")
