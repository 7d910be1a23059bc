"""The blocking client against the real daemon, OpenSSH and TigerVNC."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import guac
import numpy
import PIL.Image
import pytest
from servers import ADMIN_PASSWORD, Daemon, Desktop, Sshd, free_port, wait_until

BLUE = (0x20, 0x40, 0x80)


@pytest.fixture
def shell(daemon: Daemon, sshd: Sshd) -> Iterator[guac.Session]:
    """A shell over SSH."""
    with guac.connect("ssh", {**sshd.params, "command": "sh"}, port=daemon.port) as session:
        session.wait_until_still(0.3)
        yield session


@pytest.fixture
def desk(daemon: Daemon, desktop: Desktop) -> Iterator[guac.Session]:
    """The desktop over VNC."""
    with guac.connect("vnc", desktop.params, port=daemon.port, width=1280, height=800) as session:
        session.wait_for_size(1280, 800)
        session.wait_until_still(0.3)
        yield session


def test_what_is_typed_arrives(shell: guac.Session) -> None:
    before = shell.screenshot()
    shell.type("printf '\\033]0;made %s\\007' $((6 * 7))\n")
    assert shell.wait_for_title("made 42") == "made 42"
    assert shell.title == "made 42"
    after = shell.wait_until_still(0.3)
    assert after.differing_pixels(before)


def test_keys_are_pressed_by_name(shell: guac.Session) -> None:
    shell.type("cat >/dev/null; printf '\\033]0;ended\\007'")
    shell.press("Return", "Control+d")
    shell.wait_for_title("ended")
    with pytest.raises(guac.CallerError, match="no-such-key"):
        shell.press("no-such-key")


def test_a_picture_is_found_on_the_screen(shell: guac.Session) -> None:
    shell.type("clear; printf '\\033[41m%40s\\033[0m\\n\\033]0;drawn\\007'\n")
    shell.wait_for_title("drawn")
    screen = shell.wait_until_still(0.3)
    whole = screen.to_numpy()
    red = numpy.argwhere((whole[..., 0] > 120) & (whole[..., 1:3].max(axis=2) < 100))
    top, left = (int(least) for least in red.min(axis=0))
    template = screen.crop((left, top, 24, 12))
    assert shell.wait_for_image(template)[2:] == (24, 12)
    found = screen.find(template)
    assert found is not None and shell.wait_for_image(template, region=found) == found
    with pytest.raises(guac.WaitTimeout) as caught:
        shell.wait_for_image(guac.Image(1, 1, bytes([1, 2, 3, 255])), timeout=0.05)
    assert caught.value.status is guac.Status.UPSTREAM_TIMEOUT


def test_the_clipboard_goes_into_the_session(shell: guac.Session) -> None:
    shell.clipboard = "printf '\\033]0;pasted\\007'\n"
    shell.press("Control+Shift+v")
    shell.press("Return")
    shell.wait_for_title("pasted")


def test_a_terminal_takes_another_size(shell: guac.Session) -> None:
    shell.resize(800, 600)
    shell.wait_for_frame(shell.frame)
    assert shell.wait_until_still(0.3).size == shell.size
    assert shell.size[0] <= 800 and shell.size[1] <= 600


def test_a_desktop_is_seen_as_it_is(desk: guac.Session, tmp_path: Path) -> None:
    image = desk.screenshot()
    assert image.size == desk.size == (1280, 800)
    array = image.to_numpy()
    assert array.shape == (800, 1280, 4)
    assert array.dtype == numpy.uint8
    assert image.pixel(3, 3) == BLUE
    assert tuple(array[3, 3]) == (*BLUE, 255)
    array[0, 0] = 0
    assert image.pixel(0, 0) == BLUE, "an array is a copy of its own"
    assert numpy.asarray(image).shape == (800, 1280, 4)
    picture = image.to_pillow()
    assert (picture.size, picture.mode, picture.getpixel((3, 3))) == ((1280, 800), "RGB", BLUE)
    assert image.to_pillow("L").mode == "L"
    for name in ("desk.png", "desk.jpg"):
        image.save(tmp_path / name)
        with PIL.Image.open(tmp_path / name) as saved:
            assert saved.size == (1280, 800)
    assert guac.Image.open(tmp_path / "desk.png") == image
    assert guac.Image.decode(image.to_png()) == image
    assert repr(image) == "<Image 1280x800>"


def test_mouse_and_keyboard_reach_a_desktop(desk: guac.Session, desktop: Desktop) -> None:
    still = desk.screenshot()
    report = desktop.home / "typed"
    script = f'read -r line; printf %s "$line" >{report}'
    with desktop.start("xterm", "-geometry", "40x10+200+100", "-bg", "white", "-e", "sh", "-c", script) as xterm:
        white = guac.Image(40, 40, b"\xff" * 6400)
        x, y, width, height = desk.wait_for_image(white)
        desk.click(x + width // 2, y + height // 2)
        desk.type("Zoë 42\n")
        xterm.wait(60)
    assert report.read_text() == "Zoë 42"
    desk.wait_for_image(still.crop((190, 90, 300, 200)))


def test_a_drag_selects_and_the_desktops_clipboard_is_told(desk: guac.Session, desktop: Desktop) -> None:
    script = "printf 'word word word word\\n'; sleep 600"
    select = "XTerm*selectToClipboard: true"
    line = ["xterm", "-xrm", select, "-geometry", "40x10+0+0", "-bg", "white", "-e", "sh", "-c", script]
    with desktop.start(*line):
        desk.wait_for_image(guac.Image(40, 40, b"\xff" * 6400))
        desk.wait_until_still(0.3)
        desk.drag((4, 8), (200, 8))
        assert "word" in desk.wait_for_clipboard("word")
        assert desk.clipboard and "word" in desk.clipboard


def test_a_session_is_joined_by_its_id(desk: guac.Session, daemon: Daemon) -> None:
    assert desk.connection_id is not None
    with guac.connect(desk.connection_id, port=daemon.port, width=1280, height=800) as other:
        assert other.wait_until_still(0.2).pixel(3, 3) == BLUE
        assert repr(other) == "<Session open>"


def test_a_gateways_connection_is_opened_by_name(daemon: Daemon) -> None:
    def opened(connection: str, password: str = ADMIN_PASSWORD) -> guac.Session:
        return guac.connect_gateway(
            daemon.url, connection, username="admin", password=password, width=1280, height=800
        )

    with opened("desk") as desk:
        desk.wait_for_size(1280, 800)
        assert desk.wait_until_still(0.2).pixel(3, 3) == BLUE
        assert desk.connection_id is None
    with pytest.raises(guac.UpstreamError) as missing:
        opened("no such")
    assert missing.value.status is guac.Status.RESOURCE_NOT_FOUND
    with pytest.raises(guac.UpstreamError) as refused:
        opened("desk", "wrong")
    assert refused.value.status is guac.Status.CLIENT_UNAUTHORIZED
    with pytest.raises(guac.CallerError):
        guac.connect_gateway(daemon.url, "desk", username="admin")


def test_files_go_both_ways(daemon: Daemon, sshd: Sshd, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    params = {**sshd.params, "command": "sh", "enable-sftp": "true", "sftp-root-directory": str(sshd.home)}
    with guac.connect("ssh", params, port=daemon.port) as session:
        assert session.upload(data, "/sent.bin") == len(data)
        # The protocol has no answer to the end of a file: its last bytes may still be on their way.
        wait_until("the whole file", lambda: (sshd.home / "sent.bin").read_bytes() == data)
        assert session.read_file("/sent.bin") == data
        local = tmp_path / "fetched.bin"
        assert session.download("/sent.bin", local) == len(data)
        assert local.read_bytes() == data
        assert session.upload(local, "/again.bin") == len(data)
        wait_until("the copy", lambda: (sshd.home / "again.bin").read_bytes() == data)
        assert [entry.name for entry in session.list_files() if not entry.is_directory] == ["again.bin", "sent.bin"]
        with pytest.raises(guac.LocalError):
            session.upload(tmp_path / "missing", "/missing")


def test_other_threads_run_while_one_waits(desk: guac.Session) -> None:
    steps = 0
    waiting = threading.Event()
    enough = threading.Event()

    def count() -> None:
        nonlocal steps
        waiting.wait()
        while steps < 100_000:
            steps += 1
        enough.set()

    thread = threading.Thread(target=count)
    thread.start()
    waiting.set()
    with pytest.raises(guac.WaitTimeout):
        desk.wait_for_title("never", timeout=2.0)
    assert enough.is_set()
    thread.join()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as in a terminal: whoever starts the tests in the background has it ignored, which children inherit."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_interrupts_a_wait(desk: guac.Session) -> None:
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        desk.wait_for_title("never", timeout=60)
    timer.join()
    assert desk.open


def test_closing_ends_every_wait(daemon: Daemon, desktop: Desktop) -> None:
    session = guac.connect("vnc", desktop.params, port=daemon.port, width=1280, height=800)
    timer = threading.Timer(0.2, session.close)
    timer.start()
    with pytest.raises(guac.CallerError) as caught:
        session.wait_for_title("never", timeout=600)
    assert caught.value.status is guac.Status.RESOURCE_CLOSED
    timer.join()
    session.close()
    assert not session.open
    with pytest.raises(guac.CallerError):
        session.screenshot()


def test_errors_say_whose_fault_it_is(daemon: Daemon) -> None:
    with pytest.raises(guac.LocalError) as unreachable:
        guac.connect("ssh", {}, port=free_port())
    assert unreachable.value.status is guac.Status.UPSTREAM_NOT_FOUND
    with pytest.raises(guac.UpstreamError) as refused:
        guac.connect("no-such-protocol", {}, port=daemon.port)
    assert refused.value.status is guac.Status.UNSUPPORTED
    with pytest.raises(guac.CallerError):
        guac.connect("ssh", {}, port=daemon.port, timeout=-1)
    with pytest.raises(guac.CallerError):
        guac.connect("$", {}, port=daemon.port)


def test_a_machine_that_is_not_there_ends_the_session(daemon: Daemon) -> None:
    params = {"hostname": "127.0.0.1", "port": str(free_port()), "password": "canary-password"}
    with pytest.raises(guac.UpstreamError) as caught:
        with guac.connect("vnc", params, port=daemon.port) as session:
            session.wait_for_title("never", timeout=30)
    assert "canary" not in str(caught.value)


def test_imaging_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    image = guac.Image(1, 1, bytes(4))
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    for call in (image.to_numpy, image.to_pillow):
        with pytest.raises(ImportError, match=r"pip install guacd-lite\[imaging\]"):
            call()
