#!/usr/bin/env bash
# Installs a wheel of ivm in a new environment without PyTorch and uses it there, away from the source tree.
#
#     scripts/check_wheel.sh dist/ivm-0.1.0-py3-none-any.whl
set -euo pipefail

wheel=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

echo "Wheel: $(basename "$wheel"), $(du -k "$wheel" | cut -f1) kB"
"${PYTHON:-python3}" -m venv "$room/venv"
"$room/venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$root/constraints.txt" "$wheel"

cp "$root/examples/tabletop.jpg" "$room/picture.jpg"
cp "$root/scripts/check_installed.py" "$room/"
cd "$room"
venv/bin/python -I check_installed.py picture.jpg
venv/bin/ivm mask picture.jpg "pick up the red cup" --output masked
test -n "$(ls -A masked)" || { echo "ivm mask wrote nothing" >&2; exit 1; }
echo "The wheel works without PyTorch"
