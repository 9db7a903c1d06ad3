#!/usr/bin/env bash
# Set up this checkout on Debian or Ubuntu: system packages, then .venv with the project in it.
#   bash tools/setup.sh          what running needs
#   bash tools/setup.sh --test   and what the tests need (brokers, a browser, torch on the CPU, linters)
# Runs as root or with sudo, any number of times; does nothing where nothing is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=run
case "${1:-}" in
  "") ;;
  --test) mode=test ;;
  *) echo "usage: $0 [--test]" >&2; exit 2 ;;
esac

packages=(
  python3 python3-venv python3-gi python3-cairo python3-gst-1.0
  gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
)
if [ "$mode" = test ]; then
  packages+=(
    gstreamer1.0-rtsp gir1.2-gst-rtsp-server-1.0 systemd systemd-container openssl
    mosquitto redis-server nats-server postgresql
    fonts-dejavu-core fonts-liberation
  )
  # Ubuntu has browsers as snaps only, which a test cannot steer; the page is not tested in one there.
  if grep -qx 'ID=debian' /etc/os-release; then packages+=(chromium chromium-driver); fi
fi

say() { printf 'setup: %s\n' "$*" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
is_missing() { ! dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'; }

install_system_packages() {
  local missing=() name plan
  for name in "${packages[@]}"; do
    if is_missing "$name"; then missing+=("$name"); fi
  done
  if [ ${#missing[@]} = 0 ]; then return; fi
  if ! command -v apt-get >/dev/null; then
    say "this is not Debian or Ubuntu; install the equivalents of: ${missing[*]}"
    exit 1
  fi
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    say "neither root nor sudo; let an administrator run: apt-get install ${missing[*]}"
    exit 1
  fi
  say "installing ${missing[*]}"
  as_root apt-get update -q >&2
  plan=$(apt-get install --simulate --no-install-recommends "${missing[@]}")
  if grep '^Remv ' <<<"$plan" >&2; then
    say "apt would remove the packages above to install ${missing[*]}; nothing was changed"
    exit 1
  fi
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}

# python3-gi and the overrides of python3-gst-1.0 belong to Debian's own Python, of today's version.
is_debians() {
  local version
  version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  [ -x "$1/bin/python" ] && [ -d "$1/lib/python$version" ] && grep -qx 'home = /usr/bin' "$1/pyvenv.cfg" \
    && grep -qx 'include-system-site-packages = true' "$1/pyvenv.cfg"
}

make_environment() {
  local stamp=.venv/anpr-stream.$mode.stamp now
  now=$(cat tools/setup.sh setup.cfg tools/test-requirements.txt | sha256sum)
  if ! is_debians .venv; then
    say "making .venv with $(/usr/bin/python3 --version)"
    /usr/bin/python3 -m venv --clear --system-site-packages .venv
  fi
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$now" ]; then return; fi
  # Debian's python3-gi names pycairo as required, so pip looks for it: hence python3-cairo above.
  say "installing the project into .venv"
  local wanted=(-e .)
  if [ "$mode" = test ]; then
    wanted=(-e ".[dev,train,nats,redis,postgres]" -r tools/test-requirements.txt)
  fi
  .venv/bin/python -m pip install -q --disable-pip-version-check "${wanted[@]}" >&2
  echo "$now" >"$stamp"
}

install_system_packages
make_environment
.venv/bin/python -c 'import gi; gi.require_version("Gst", "1.0"); from gi.repository import Gst; Gst.init(None)'
say "ready: .venv/bin/anpr-stream --help"
