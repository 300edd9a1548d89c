#!/usr/bin/env bash
# Installs what some tests need of a Debian system: OSMesa, with which MuJoCo draws scenes without a screen, and Chromium,
# in which pages are opened.
set -euo pipefail

wanted=()
ldconfig -p | grep -q libOSMesa || wanted+=(libosmesa6)
command -v chromium > /dev/null || wanted+=(chromium)
if [ ${#wanted[@]} -eq 0 ]; then
  exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
"${as_root[@]}" apt-get update --quiet
"${as_root[@]}" apt-get install --yes --quiet "${wanted[@]}"
