"""Runs deploy.sh with the real Azure CLI against the stand-in."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import warm_az
from standin import TENANT, Server

AZURE = Path(__file__).resolve().parent.parent
LONGEST_S = 900

PARAMETERS = {
    "NAME": "jump",
    "DNS_LABEL": "jump-example",
    "ACME_EMAIL": "ops@example.org",
    "ACME_AGREE_TERMS": "yes",
    "PACKAGE_URL": "https://packages.example.org/guacd-lite_1.0_amd64.deb",
    "PACKAGE_SHA256": "5" * 64,
}


class Deployer:
    """One stand-in with a CLI that is logged in to it."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.server = Server(directory)
        self.azure = self.server.azure
        self.environment = {
            "PATH": f"{directory}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "TMPDIR": str(directory / "tmp"),
            "AZURE_CONFIG_DIR": str(directory / "azure"),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no",
            "AZURE_CORE_SURVEY_MESSAGE": "no",
            "HTTPS_PROXY": f"http://127.0.0.1:{self.server.port}",
            "REQUESTS_CA_BUNDLE": str(self.server.authority),
            "GUACD_LITE_AZURE_POLL_S": "0",
        }
        (directory / "tmp").mkdir()
        (directory / "bin").mkdir()
        warm_az.client(directory / "bin", directory / "az.socket")
        self.cli = subprocess.Popen([sys.executable, warm_az.__file__, str(directory / "az.socket")], env=self.environment)
        end = time.monotonic() + LONGEST_S
        while not (directory / "az.socket").exists() and self.cli.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        login = ["az", "login", "--service-principal", "--username", "app", "--password", "x", "--tenant", TENANT, "--output", "none"]
        subprocess.run(login, env=self.environment, check=True, timeout=LONGEST_S)
        self.azure.log.clear()

    def run(self, *arguments, parameters=None, **more):
        """deploy.sh with these parameters; gives exit code and output."""
        file = self.directory / "parameters.env"
        values = {**PARAMETERS, **(parameters or {}), **more}
        file.write_text("".join(f'{key}="{value}"\n' for key, value in values.items()))
        done = subprocess.run(
            ["bash", str(AZURE / "deploy.sh"), "--parameters", str(file), *arguments],
            env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=LONGEST_S, check=False,
        )
        output = done.stdout + done.stderr
        assert not list((self.directory / "tmp").iterdir()), f"left behind: {list((self.directory / 'tmp').iterdir())}"
        assert not self.azure.stray, f"asked elsewhere: {self.azure.stray}"
        return done.returncode, output

    def close(self):
        self.cli.terminate()
        self.cli.wait()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def deployer(tmp_path_factory):
    made = Deployer(tmp_path_factory.mktemp("azure"))
    yield made
    made.close()
