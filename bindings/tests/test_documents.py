"""The example and the README work as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from servers import Daemon, Desktop, Sshd

ROOT = Path(__file__).parents[1]


def test_the_example_logs_in_by_ssh_and_vnc(daemon: Daemon, sshd: Sshd, desktop: Desktop, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(sshd.params["private-key"])
    picture = tmp_path / "desk.png"
    ports = [str(daemon.port), sshd.params["port"], sshd.params["username"], str(key), desktop.params["port"]]
    line = [sys.executable, str(ROOT / "examples" / "login.py"), *ports, str(picture)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "saw what was to be seen" in done.stdout
    assert picture.stat().st_size > 0


def test_the_readmes_lines_work_as_printed(daemon: Daemon, sshd: Sshd, tmp_path: Path) -> None:
    """Only what every reader has to change is changed: where his machine is and how he logs in."""
    lines = re.search(r"```python\n(import guac\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert lines is not None
    script = lines[1]
    assert len(script.strip().splitlines()) <= 10
    printed = '{"hostname": "127.0.0.1", "username": "demo", "password": "demo"}, port=4822'
    assert printed in script
    script = script.replace(printed, f"{ {**sshd.params, 'command': 'sh'}!r}, port={daemon.port}")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "terminal.png").is_file()
    assert re.match(r"\(\d+, \d+\) \d+", done.stdout)


def test_the_projects_readme_has_the_same_lines() -> None:
    """So that they are tested, too."""
    own, whole = ((path / "README.md").read_text() for path in (ROOT, ROOT.parent))
    lines = re.search(r"```python\nimport guac\n.*?```", own, re.DOTALL)
    assert lines is not None and lines[0] in whole
