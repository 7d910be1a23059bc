"""Checks without Azure: the shell, cloud-init's schema, the units, parameters, configuration, drawing."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

AZURE = Path(__file__).resolve().parent.parent
ROOT = AZURE.parent.parent

BASE = {"DNS_LABEL": "jump-example", "ACME_EMAIL": "ops@example.org", "ACME_AGREE_TERMS": "yes",
        "PACKAGE_URL": "https://packages.example.org/guacd-lite.deb", "PACKAGE_SHA256": "0" * 64}
VAULT = {"TLS": "key-vault", "CERTIFICATE_SECRET": "https://kv-corp.vault.azure.net/secrets/jump", "OPEN_HTTP": "no"}


def deploy(directory, parameters, *arguments):
    file = directory / "parameters.env"
    file.write_text("".join(f"{key}={value}\n" for key, value in parameters.items()))
    return subprocess.run(["bash", str(AZURE / "deploy.sh"), "--parameters", str(file), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(params=["acme", "acme-http", "key-vault"])
def rendered(request, tmp_path):
    parameters = {"acme": BASE, "acme-http": {**BASE, "ALLOWED_RANGES": "198.51.100.0/24"}, "key-vault": {**BASE, **VAULT}}[request.param]
    done = deploy(tmp_path, parameters, "--render", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    return tmp_path / "out"


def need(program, package):
    if not shutil.which(program):
        pytest.skip(f"{program} is missing: apt-get install {package}")
    return program


def test_shellcheck_has_nothing_to_say():
    checker = Path(sys.executable).parent / "shellcheck"
    files = [AZURE / "deploy.sh", AZURE / "tests/run.sh"]
    done = subprocess.run([str(checker), "--external-sources", *map(str, files)], capture_output=True, text=True, cwd=AZURE, check=False)
    assert done.returncode == 0, done.stdout


def test_user_data_is_valid_for_cloud_init(rendered):
    done = subprocess.run([need("cloud-init", "cloud-init"), "schema", "--config-file", str(rendered / "user-data")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # What Azure takes as custom data, before base64.
    assert (rendered / "user-data").stat().st_size < 64 * 1024


def test_units_are_valid_for_systemd(tmp_path):
    program = need("systemd-analyze", "systemd")
    for unit in sorted((AZURE / "node").glob("guacd-lite-azure*.*")):
        copy = tmp_path / unit.name
        copy.write_text(unit.read_text().replace("/usr/local/sbin/guacd-lite-azure", "/bin/true"))
    for unit in sorted(tmp_path.iterdir()):
        done = subprocess.run([program, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
        assert unit.name not in done.stderr, done.stderr


def test_every_setting_of_the_rendered_configuration_is_one_of_the_daemon(rendered):
    config = tomllib.loads((rendered / "guacd-lite.toml").read_text())
    example = (ROOT / "guacd-lite/guacd-lite.example.toml").read_text()
    # With every comment sign before a setting taken away the example names them all; a test of the daemon sees to it.
    known = tomllib.loads(re.sub(r"(?m)^#(?! )", "", example))
    for name, value in config.items():
        assert name in known, f"{name} is not a setting"
        for key in value if isinstance(value, dict) else ():
            assert key in known[name], f"[{name}] {key} is not a setting"


def test_the_daemon_takes_the_rendered_configuration(rendered, tmp_path):
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = next((path for path in (target / "debug/guacd-lite", target / "release/guacd-lite") if path.exists()), None)
    if binary is None:
        pytest.skip("no guacd-lite is built: cargo build --package guacd-lite")
    # The files that it names, where this user may write.
    make = lambda *line: subprocess.run(line, check=True, capture_output=True, cwd=tmp_path)
    make("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=jump.example.org", "-keyout", "tls-key", "-out", "tls-cert")
    shutil.copy(tmp_path / "tls-cert", tmp_path / "mysql-ca.pem")
    for name in ("database-password", "cluster-secret", "admin-password"):
        (tmp_path / name).write_text(f"aZ3-{name}-{'x' * 60}")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "tls-key").chmod(0o600)
    text = (rendered / "guacd-lite.toml").read_text()
    for place in ("/run/credentials/guacd-lite.service", "/run/guacd-lite-tls", "/etc/guacd-lite", "/var/lib/guacd-lite"):
        text = text.replace(place, str(tmp_path))
    (tmp_path / "guacd-lite.toml").write_text(text)
    environment = {"PATH": os.environ["PATH"], "GUACD_LITE_CLUSTER_ADDRESS": "10.42.1.4:4823", "GUACD_LITE_CLUSTER_NAME": "vm-jump-1"}
    done = subprocess.run([str(binary), "serve", "--check-config", "--config", str(tmp_path / "guacd-lite.toml")],
                          env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    shown = tomllib.loads(done.stdout)
    assert shown["cluster"]["address"] == "10.42.1.4:4823" and shown["cluster"]["name"] == "vm-jump-1"
    assert "xxxxxx" not in done.stdout


def test_the_service_gets_its_secrets_as_credentials_of_root_only_files(rendered):
    dropin = (rendered / "azure.conf").read_text()
    assert re.findall(r"LoadCredential=([a-z-]+):/run/guacd-lite-azure/([a-z-]+)", dropin) == [(name, name) for name in ("database-password", "cluster-secret", "admin-password")]
    assert "Requires=guacd-lite-azure.service" in dropin
    config = (rendered / "guacd-lite.toml").read_text()
    for name in re.findall(r"/run/credentials/guacd-lite\.service/([a-z-]+)", config):
        assert f"LoadCredential={name}:" in dropin


def test_the_example_has_every_parameter_with_its_default():
    source = (AZURE / "lib/parameters.sh").read_text()
    defaults = dict(re.findall(r'\[([A-Z_0-9]+)\]="([^"]*)"', source.split("declare -A DEFAULTS=(")[1].split("\n)")[0]))
    example = dict(re.findall(r"(?m)^([A-Z_0-9]+)=(.*)$", (AZURE / "parameters.env.example").read_text()))
    assert example == defaults
    readme = (AZURE / "README.md").read_text()
    for name in re.findall(r"`([A-Z][A-Z_0-9]{3,})[`=]", readme):
        assert name in defaults, f"README.md speaks of {name}"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"NODES": "9"}, "NODES is \"9\", not a number from 1 to 8"),
        ({"NODES": "2; id"}, "line"),
        ({"LAYOUT": "pile"}, "none of: availability-set zones scale-set"),
        ({"COLOUR": "blue"}, "there is no parameter COLOUR"),
        ({"ACME_AGREE_TERMS": "no"}, "Read the terms"),
        ({"DNS_LABEL": "", "DOMAIN": ""}, "neither DOMAIN nor DNS_LABEL"),
        ({"ALLOWED_RANGES": "198.51.100.0/24", "OPEN_HTTP": "no"}, "must reach port 443 or 80"),
        ({"PACKAGE_SHA256": ""}, "PACKAGE_URL needs PACKAGE_SHA256"),
        ({"PACKAGE_URL": "http://packages.example.org/x.deb"}, "must be an https URL"),
        ({"TLS": "key-vault"}, "needs one of CERTIFICATE_FILE and CERTIFICATE_SECRET"),
        ({"DOMAIN": "$(id)"}, "DOMAIN is \"$(id)\""),
    ],
)
def test_a_wrong_parameter_is_named(wrong, said, tmp_path):
    done = deploy(tmp_path, {**BASE, **wrong}, "--render", str(tmp_path / "out"))
    assert done.returncode == 1 and said in done.stderr, done.stderr


def test_parameters_are_read_and_never_run(tmp_path):
    done = deploy(tmp_path, {**BASE, "ACME_EMAIL": f'"$(touch${{IFS}}{tmp_path}/ran)@example.org"'}, "--render", str(tmp_path / "out"))
    assert not (tmp_path / "ran").exists(), done.stderr


def test_the_drawing_is_made_from_its_text():
    done = subprocess.run([need("dot", "graphviz"), "-Tsvg", str(AZURE / "drawing.dot")], capture_output=True, text=True, check=True)
    # Versions of Graphviz place things differently; what is written and joined must be the same.
    words = lambda svg: re.findall(r"<(?:text|title)[^>]*>([^<]*)<", svg)
    assert words(done.stdout) == words((AZURE / "drawing.svg").read_text()), "run: dot -Tsvg drawing.dot -o drawing.svg"
