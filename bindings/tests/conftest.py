"""One of each server for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import servers


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Sshd]:
    """OpenSSH."""
    with servers.sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="session")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Desktop]:
    """TigerVNC, 1280x800, blue."""
    with servers.desktop(tmp_path_factory.mktemp("desktop")) as server:
        yield server


@pytest.fixture(scope="session")
def daemon(
    tmp_path_factory: pytest.TempPathFactory, sshd: servers.Sshd, desktop: servers.Desktop
) -> Iterator[servers.Daemon]:
    """The daemon, which knows both."""
    home: Path = tmp_path_factory.mktemp("daemon")
    shell = {**sshd.params, "command": "sh"}
    with servers.daemon(home, {"shell": ("ssh", shell), "desk": ("vnc", desktop.params)}) as server:
        yield server
