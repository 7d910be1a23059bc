#!/usr/bin/env bash
# Runs these tests in an environment of their own, with the real Azure CLI: about 750 MB under target/, once.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
home=$here/../../../target/azure
fresh=$(sha256sum <"$here/requirements.txt")
if [[ $(cat -- "$home/venv/.installed" 2>/dev/null || true) != "$fresh" ]]; then
    mkdir -p -- "$home"
    python3 -m venv --clear "$home/venv"
    "$home/venv/bin/python" -m pip install --quiet --requirement "$here/requirements.txt"
    printf '%s\n' "$fresh" >"$home/venv/.installed"
fi
cd -- "$here"
exec "$home/venv/bin/python" -m pytest -p no:cacheprovider "$@"
