"""The real Azure CLI, started once and forked for each call: its imports take longer than what it does.

As a server it listens on a socket; each call is a fork that gets the caller's arguments, environment, directory and
standard streams, and runs the CLI's own entry point. `client` is the program that stands in PATH as `az`.
"""

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

LARGEST_CALL = 1 << 20
PRELOADED = ["azure.cli.core", "azure.cli.core.profiles", "azure.cli.core.auth.identity", "azure.cli.command_modules.util.commands",
             "azure.cli.command_modules.util.custom", "azure.cli.command_modules.resource.custom", "azure.cli.command_modules.profile.custom",
             "requests", "msal", "knack.commands", "azure.cli.core.sdk.policies", "azure.mgmt.core"]


def call(connection):
    """In the fork: becomes the call."""
    data, descriptors = b"", []
    data, descriptors, _, _ = socket.recv_fds(connection, LARGEST_CALL, 3)
    while not data.endswith(b"\n"):
        data += connection.recv(LARGEST_CALL)
    asked = json.loads(data)
    # The CLI holds on to the streams of its import: the same objects, with other files below.
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["directory"])
    sys.argv = ["az", *asked["arguments"]]
    code = 1
    try:
        from azure.cli.core import get_default_cli

        code = get_default_cli().invoke(sys.argv[1:])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else (0 if end.code is None else 1)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([code or 0]))
        os._exit(0)


def main(path):
    for module in PRELOADED:
        try:
            __import__(module)
        except ImportError:
            pass  # Another version has it elsewhere: then a call imports it.
    assert threading.active_count() == 1, "a fork has one thread only"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                call(connection)
            connection.close()


CLIENT = """#!{python} -IS
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({path!r})
asked = dict(arguments=sys.argv[1:], environment=dict(os.environ), directory=os.getcwd())
socket.send_fds(connection, [b" "], [0, 1, 2])
connection.sendall(json.dumps(asked).encode() + b"\\n")
code = connection.recv(1)
sys.exit(code[0] if code else 1)
"""


def client(directory: Path, path: Path):
    """Writes the program `az` into the directory."""
    (directory / "az").write_text(CLIENT.format(python=sys.executable, path=str(path)))
    (directory / "az").chmod(0o755)


if __name__ == "__main__":
    main(sys.argv[1])
