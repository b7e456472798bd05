#!/usr/bin/env bash
# Makes sure that Prometheus, which the test of the dashboards drives, is there. Where it is not, takes
# Debian's package and unpacks it into the virtual environment: nothing is installed on the machine
# and no service is started. Says what to do where that is not possible; in CI that is a failure.
set -euo pipefail

VENV=$(realpath -m "${VENV:-.venv}")
HOME_DIR="$VENV/prometheus"

command -v prometheus >/dev/null && command -v promtool >/dev/null && exit 0
[ -x "$HOME_DIR/usr/bin/prometheus" ] && exit 0

unpack() {
  (cd "$FOLDER" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download prometheus) || return 1
  rm -rf "$HOME_DIR" && mkdir -p "$HOME_DIR"
  dpkg-deb -x "$FOLDER"/prometheus_*.deb "$HOME_DIR"
}

if command -v apt-get >/dev/null; then
  FOLDER=$(mktemp -d)
  trap 'rm -rf "$FOLDER"' EXIT
  echo "test: unpacking Debian's prometheus into $HOME_DIR" >&2
  unpack || { [ "$(id -u)" = 0 ] && apt-get update -qq && unpack; } || true
  [ -x "$HOME_DIR/usr/bin/prometheus" ] && exit 0
fi
echo "test: SKIPPED, the dashboards are not tested: it needs prometheus (Debian: apt-get install prometheus)" >&2
[ "${CI:-}" != true ]
