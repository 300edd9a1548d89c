#!/usr/bin/env bash
# Installs what some tests need of a Debian system: OSMesa, with which MuJoCo draws scenes without a screen.
set -euo pipefail

if ldconfig -p | grep -q libOSMesa; then
  exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
"${as_root[@]}" apt-get update --quiet
"${as_root[@]}" apt-get install --yes --quiet libosmesa6
