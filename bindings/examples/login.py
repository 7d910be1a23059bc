"""Logs into one machine over SSH and over VNC, and asserts on what it sees.

    python login.py GUACD_PORT SSH_PORT SSH_USER SSH_KEY_FILE VNC_PORT [PICTURE]

The machine is this one. With a PICTURE the last screenshot is written to that file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import guac


def terminal(guacd_port: int, ssh_port: str, user: str, key: str) -> None:
    """A shell: type a command, see what it wrote, be told when it is done."""
    params = {"hostname": "127.0.0.1", "port": ssh_port, "username": user, "private-key": key, "command": "sh"}
    with guac.connect("ssh", params, port=guacd_port) as session:
        empty = session.wait_until_still(0.3)
        session.type("clear; echo machine $(uname -s); printf '\\033]0;exit %s\\007' $?\n")
        assert session.wait_for_title("exit ") == "exit 0", "the command works"
        written = session.wait_until_still(0.3)
        assert written.differing_pixels(empty), "something was written"
        # The same words again give the same picture, one line further down.
        left, top, width, height = session.wait_for_image(written.crop((0, 0, 120, 12)))
        assert (left, top, width, height) == (0, 0, 120, 12)


def desktop(guacd_port: int, vnc_port: str, picture: Path | None) -> None:
    """A desktop: see its background, move the pointer over it, keep a picture of it."""
    params = {"hostname": "127.0.0.1", "port": vnc_port}
    with guac.connect("vnc", params, port=guacd_port, width=1280, height=800) as session:
        screen = session.wait_until_still(0.3)
        red, green, blue = screen.pixel(3, 3)
        assert blue > red and blue > green, f"the background is blue, not {(red, green, blue)}"
        session.click(*(side // 2 for side in screen.size))
        pixels = session.screenshot().to_numpy()
        assert pixels.shape == (screen.height, screen.width, 4)
        if picture is not None:
            session.screenshot().save(picture)


def main(guacd: str, ssh: str, user: str, key: str, vnc: str, picture: str | None = None) -> None:
    """Both."""
    terminal(int(guacd), ssh, user, Path(key).read_text())
    desktop(int(guacd), vnc, None if picture is None else Path(picture))
    print("logged in over SSH and VNC, and saw what was to be seen")


if __name__ == "__main__":
    main(*sys.argv[1:])
