"""What runs on a machine: node/guacd-lite-azure against a metadata service and a vault of our own, under a root of its own."""

import hashlib
import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "node/guacd-lite-azure"
AUTHORITIES = Path("/usr/share/ca-certificates/mozilla")
SECRETS = {"database-password": "canary-database", "cluster-secret": "canary-cluster", "admin-password": "canary-admin"}
CHAIN = "-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nissuer\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\ncanary-key\n-----END PRIVATE KEY-----\n"


class Machine:
    """A root directory, and what the machine can ask."""

    def __init__(self, root: Path):
        self.root, self.faults, self.asked = root, [], []
        self.values = {**SECRETS, "tls-certificate": CHAIN + KEY}
        self.types = {"tls-certificate": "application/x-pem-file"}
        self.package = b"a package"
        machine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, headers, body = machine.answer(self.path, self.headers)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.settings = {"identity": "client-1", "vault": self.url, "secrets": list(SECRETS), "certificate": "", "peer_port": 4823,
                         "package": {"url": f"{self.url}/guacd-lite.deb", "sha256": hashlib.sha256(self.package).hexdigest()}}
        (root / "etc/guacd-lite").mkdir(parents=True)
        mozilla = root / "usr/share/ca-certificates/mozilla"
        mozilla.mkdir(parents=True)
        for name in ("DigiCert_Global_Root_G2.crt", "Microsoft_RSA_Root_Certificate_Authority_2017.crt"):
            (mozilla / name).write_bytes((AUTHORITIES / name).read_bytes())
        # Stand-ins for what would change this very machine; they write down how they were called.
        (root / "bin").mkdir()
        for name in ("apt-get", "systemctl"):
            (root / "bin" / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"{root}/called"\n')
            (root / "bin" / name).chmod(0o755)

    def answer(self, target, headers):
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        self.asked.append(target)
        if self.faults:
            fault = self.faults.pop(0)
            if fault:
                return fault
        if path == "/guacd-lite.deb":
            return 200, {}, self.package
        if path.startswith("/metadata/"):
            if headers.get("Metadata") != "true":
                return 400, {}, {"error": "bad request"}
            if path == "/metadata/identity/oauth2/token":
                assert query["client_id"] == ["client-1"]
                return 200, {}, {"access_token": f"token for {query['resource'][0]}"}
            return 200, {}, {"compute": {"name": "vm-jump-1"}, "network": {"interface": [{"ipv4": {"ipAddress": [{"privateIpAddress": "10.42.1.4"}]}}]}}
        if headers.get("Authorization") != "Bearer token for https://vault.azure.net":
            return 401, {}, {"error": {"message": "no token"}}
        name = path.removeprefix("/secrets/")
        if name not in self.values:
            return 404, {}, {"error": {"code": "SecretNotFound", "message": f"{name} was not found"}}
        return 200, {}, {"value": self.values[name], "contentType": self.types.get(name, "text/plain")}

    def run(self, *arguments, attempts=4, stdin=""):
        (self.root / "etc/guacd-lite-azure.json").write_text(json.dumps(self.settings))
        environment = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "GUACD_LITE_AZURE_ROOT": str(self.root), "GUACD_LITE_AZURE_METADATA": self.url,
                       "GUACD_LITE_AZURE_PAUSE_S": "0.01", "GUACD_LITE_AZURE_ATTEMPTS": str(attempts)}
        done = subprocess.run([sys.executable, str(SCRIPT), *arguments], env=environment, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        output = done.stdout + done.stderr
        assert "canary" not in output, "a secret was printed"
        return done.returncode, output

    def read(self, path):
        return (self.root / path).read_text()

    def mode(self, path):
        return (self.root / path).stat().st_mode & 0o777


@pytest.fixture
def machine(tmp_path):
    if not AUTHORITIES.is_dir():
        pytest.skip(f"{AUTHORITIES} is missing: apt-get install ca-certificates")
    made = Machine(tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_secrets_are_written_for_root_alone(machine):
    code, output = machine.run("secrets")
    assert code == 0, output
    for name, value in SECRETS.items():
        assert machine.read(f"run/guacd-lite-azure/{name}") == value
        assert machine.mode(f"run/guacd-lite-azure/{name}") == 0o600
    assert machine.mode("run/guacd-lite-azure") == 0o700
    assert machine.read("run/guacd-lite-azure/node.env") == "GUACD_LITE_CLUSTER_ADDRESS=10.42.1.4:4823\nGUACD_LITE_CLUSTER_NAME=vm-jump-1\n"
    assert sorted(path.name for path in (machine.root / "run/guacd-lite-azure").iterdir()) == sorted([*SECRETS, "node.env"])


def test_the_bundle_for_mysql_holds_both_roots_and_nothing_else(machine):
    assert machine.run("secrets")[0] == 0
    bundle = machine.read("etc/guacd-lite/mysql-ca.pem")
    assert bundle.count("BEGIN CERTIFICATE") == 2
    assert machine.mode("etc/guacd-lite/mysql-ca.pem") == 0o644
    shown = subprocess.run(["openssl", "storeutl", "-noout", "-text", str(machine.root / "etc/guacd-lite/mysql-ca.pem")], capture_output=True, text=True, check=True).stdout
    assert re.search("CN ?= ?DigiCert Global Root G2", shown) and re.search("CN ?= ?Microsoft RSA Root Certificate Authority 2017", shown)


def test_a_root_that_is_another_certificate_is_refused(machine):
    mozilla = machine.root / "usr/share/ca-certificates/mozilla"
    (mozilla / "DigiCert_Global_Root_G2.crt").write_bytes((mozilla / "Microsoft_RSA_Root_Certificate_Authority_2017.crt").read_bytes())
    code, output = machine.run("secrets")
    assert code == 1 and "DigiCert_Global_Root_G2.crt is not the certificate it should be" in output
    assert not (machine.root / "etc/guacd-lite/mysql-ca.pem").exists()


def test_throttling_errors_and_late_roles_are_waited_out_with_a_reason_each(machine):
    machine.faults = [
        (429, {"Retry-After": "0"}, {"error": {"message": "slow down"}}),
        None,
        (403, {}, {"error": {"code": "Forbidden", "message": "Caller is not authorized"}}),
        (503, {}, b"busy"),
    ]
    code, output = machine.run("secrets")
    assert code == 0, output
    assert "answered 429" in output and "slow down" in output
    assert "answered 403" in output and "Caller is not authorized" in output
    assert "answered 503" in output


def test_a_missing_secret_is_named(machine):
    del machine.values["cluster-secret"]
    code, output = machine.run("secrets")
    assert code == 1 and "cluster-secret was not found" in output, output
    assert not (machine.root / "run/guacd-lite-azure/database-password").exists(), "all or nothing"


def test_a_silent_vault_does_not_stop_a_machine_that_has_its_secrets(machine):
    assert machine.run("secrets")[0] == 0
    machine.faults = [(500, {}, b"")] * 50
    code, output = machine.run("secrets")
    assert code == 0 and "going on with those of the last start" in output
    assert machine.read("run/guacd-lite-azure/database-password") == SECRETS["database-password"]


def test_a_certificate_of_the_vault_is_split_and_a_newer_one_taken(machine):
    machine.settings["certificate"] = f"{machine.url}/secrets/tls-certificate"
    code, output = machine.run("secrets")
    assert code == 0, output
    assert machine.read("run/guacd-lite-tls/tls-cert") == CHAIN and machine.read("run/guacd-lite-tls/tls-key") == KEY
    assert machine.mode("run/guacd-lite-tls/tls-key") == 0o640 and machine.mode("run/guacd-lite-tls") == 0o750
    code, output = machine.run("certificate")
    assert code == 0 and "no newer one" in output
    machine.values["tls-certificate"] = KEY + CHAIN.replace("leaf", "newer")
    code, output = machine.run("certificate")
    assert code == 0 and "a newer one" in output
    assert "newer" in machine.read("run/guacd-lite-tls/tls-cert")


def test_a_certificate_that_is_not_pem_is_refused_with_the_way_out(machine):
    machine.settings["certificate"] = f"{machine.url}/secrets/tls-certificate"
    machine.values["tls-certificate"], machine.types["tls-certificate"] = "MIIcanary", "application/x-pkcs12"
    code, output = machine.run("secrets")
    assert code == 1 and "let its policy say PEM" in output


def test_the_package_is_installed_only_if_it_is_the_one_that_was_pinned(machine):
    code, output = machine.run("install")
    assert code == 0, output
    called = machine.read("called").splitlines()
    assert called[0].startswith("apt-get") and "--force-confold" in called[0] and called[0].endswith("guacd-lite.deb")
    assert called[-1] == "systemctl start guacd-lite.service"
    (machine.root / "called").unlink()
    machine.package = b"another package"
    code, output = machine.run("install")
    assert code == 1 and "not installed" in output and hashlib.sha256(b"another package").hexdigest() in output
    assert not (machine.root / "called").exists()


def test_the_doctor_gets_the_machines_secrets_and_address_though_the_daemon_does_not_run(machine):
    doctor = machine.root / "bin/guacd-lite"
    doctor.write_text(f'#!/bin/sh\necho "$1 $GUACD_LITE_CLUSTER_ADDRESS" >"{machine.root}/doctor"\ncat "$4" >>"{machine.root}/doctor"\nexit 1\n')
    doctor.chmod(0o755)
    (machine.root / "etc/guacd-lite/guacd-lite.toml").write_text('secret_file = "/run/credentials/guacd-lite.service/cluster-secret"\n')
    assert machine.run("secrets")[0] == 0
    assert machine.run("doctor")[0] == 1
    assert machine.read("doctor") == f'doctor 10.42.1.4:4823\nsecret_file = "{machine.root}/run/guacd-lite-azure/cluster-secret"\n'
    assert not list((machine.root / "run/guacd-lite-azure").glob("*.toml"))


def test_files_of_newer_user_data_are_written_and_nonsense_is_not(machine):
    data = {"write_files": [{"path": "/etc/guacd-lite/guacd-lite.toml", "permissions": "0644", "owner": "root:root", "content": "# new\n"},
                            {"path": "/usr/local/sbin/x", "permissions": "0755", "owner": "root:root", "content": "#!/bin/sh\n"}]}
    code, output = machine.run("configure", stdin="#cloud-config\n" + json.dumps(data))
    assert code == 0 and "2 files" in output, output
    assert machine.read("etc/guacd-lite/guacd-lite.toml") == "# new\n" and machine.mode("usr/local/sbin/x") == 0o755
    assert machine.read("called") == "systemctl daemon-reload\n"
    code, output = machine.run("configure", stdin="nonsense")
    assert code == 1 and "not user data" in output


def test_the_store_of_packages_is_asked_as_the_machines_identity(machine, tmp_path, monkeypatch):
    loader = importlib.machinery.SourceFileLoader("guacd_lite_azure", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("guacd_lite_azure", loader))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    seen = {}

    def get(url, headers, limit=0, into=None):
        if into is None:
            assert "resource=https%3A%2F%2Fstorage.azure.com%2F" in url and headers == {"Metadata": "true"}
            return b'{"access_token": "storage-token"}'
        seen.update(headers)
        into.write(b"a package")
        return None

    monkeypatch.setattr(module, "get", get)
    package = {"url": "https://stjump.blob.core.windows.net/packages/x.deb", "sha256": hashlib.sha256(b"a package").hexdigest()}
    module.download({"identity": "client-1"}, package, tmp_path / "x.deb")
    assert seen["Authorization"] == "Bearer storage-token" and seen["x-ms-version"]
