"""Real servers on free loopback ports, stopped by their process: the daemon, OpenSSH, TigerVNC."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Most seconds to wait for something that has to come, on a busy machine.
PATIENCE = 90.0

ADMIN_PASSWORD = "canary-admin-password"


def binary() -> Path:
    """The daemon under test."""
    named = os.environ.get("GUACD_LITE_BIN")
    built = Path(named) if named else Path(__file__).parents[2] / "target" / "debug" / "guacd-lite"
    assert built.is_file(), f"{built} is missing; build it first: cargo build --package guacd-lite"
    return built


def program(name: str) -> str:
    """A program's path; system programs are not in everybody's PATH."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/usr/local/sbin")
    assert found, f"{name} is not installed; cargo xtask test installs it"
    return found


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(what: str, look: Callable[[], T | None]) -> T:
    """Look until there is something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come")


@contextlib.contextmanager
def running(*line: str, log: Path, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A program beside the test."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def logged(process: subprocess.Popen[bytes], log: Path, text: str) -> str:
    """What a program logged, once this text is in it."""

    def look() -> str | None:
        ended = process.poll() is not None
        said = log.read_text(errors="replace")
        if text not in said and ended:
            raise AssertionError(f"it ended: {said}")
        return said if text in said else None

    return wait_until(text, look)


@dataclass(frozen=True)
class Sshd:
    """An OpenSSH server that lets this account in by a key."""

    params: dict[str, str]
    home: Path


@contextlib.contextmanager
def sshd(home: Path) -> Iterator[Sshd]:
    """Start OpenSSH."""
    for name in ("host", "user"):
        line = [program("ssh-keygen"), "-q", "-C", "", "-t", "ed25519", "-N", "", "-f", str(home / name)]
        subprocess.run(line, check=True)
    with contextlib.suppress(OSError):
        Path("/run/sshd").mkdir(exist_ok=True)
    files = home / "files"
    files.mkdir()
    port = free_port()
    config = home / "config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\n"
        "PidFile none\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"PermitRootLogin yes\nSubsystem sftp internal-sftp\nSetEnv HOME={files}\n"
    )
    log = home / "log"
    with running(program("sshd"), "-D", "-e", "-f", str(config), log=log) as process:
        logged(process, log, "Server listening on")
        key = (home / "user").read_text()
        login = {"hostname": "127.0.0.1", "port": str(port), "username": getpass.getuser(), "private-key": key}
        yield Sshd(login, files)


@dataclass(frozen=True)
class Desktop:
    """A TigerVNC server."""

    params: dict[str, str]
    display: str
    home: Path

    def run(self, *line: str) -> None:
        """Run a program on the display to its end."""
        subprocess.run([program(line[0]), *line[1:]], check=True, env={**os.environ, "DISPLAY": self.display})

    def start(self, *line: str) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
        """Run a program on the display while a block lasts."""
        env = {"DISPLAY": self.display, "LC_ALL": "C.UTF-8", "HOME": str(self.home)}
        return running(program(line[0]), *line[1:], log=self.home / line[0], env=env)


@contextlib.contextmanager
def desktop(home: Path) -> Iterator[Desktop]:
    """Start TigerVNC with an empty blue screen of 1280x800."""
    port = free_port()
    log = home / "xvnc"
    line = ["-displayfd", "1", "-rfbport", str(port), "-localhost", "-interface", "127.0.0.1", "-geometry", "1280x800"]
    line += ["-depth", "24", "-nolisten", "tcp", "-SecurityTypes", "None"]
    with running(program("Xvnc"), *line, log=log, env={"HOME": str(home)}) as process:

        def number() -> str | None:
            assert process.poll() is None, log.read_text()
            numbers = [said for said in log.read_text(errors="replace").splitlines() if said.isdecimal()]
            return numbers[0] if numbers else None

        display = f":{wait_until('the number of the display', number)}"
        found = Desktop({"hostname": "127.0.0.1", "port": str(port)}, display, home)
        found.run("xsetroot", "-solid", "#204080")
        yield found


@dataclass(frozen=True)
class Daemon:
    """A guacd-lite: the port of its guacd protocol and the address of its web application."""

    port: int
    url: str


@contextlib.contextmanager
def daemon(home: Path, connections: dict[str, tuple[str, dict[str, str]]]) -> Iterator[Daemon]:
    """Start the daemon with these connections in its database."""
    (home / "admin-password").write_text(ADMIN_PASSWORD)
    data = ["--data-dir", str(home / "data")]
    env = {name: value for name, value in os.environ.items() if not name.startswith("GUACD_LITE_")}
    for name, (protocol, params) in connections.items():
        line = [str(binary()), "connection", "add", name, "--protocol", protocol, *data]
        line += [f"--parameter={parameter}={value}" for parameter, value in params.items()]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, env=env)
    log = home / "daemon"
    line = [str(binary()), "serve", "--web-listen", "127.0.0.1:0", "--guacd-listen", "127.0.0.1:0", *data]
    settings = {
        "GUACD_LITE_ADMIN_PASSWORD_FILE": str(home / "admin-password"),
        "GUACD_LITE_TARGETS_ALLOW": "127.0.0.0/8,::1",
    }
    with running(*line, log=log, env=settings) as process:
        said = logged(process, log, "guacd protocol on ")
        guacd = next(line for line in said.splitlines() if line.startswith("guacd protocol on "))
        ready = next(line for line in said.splitlines() if line.startswith("guacd-lite is ready: "))
        yield Daemon(int(guacd.rpartition(":")[2]), ready.split(": ", 1)[1].split()[0])
