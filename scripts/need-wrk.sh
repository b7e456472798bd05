#!/usr/bin/env bash
# Makes sure that wrk, the load generator of the benchmarks, is there; installs Debian's package
# where that is possible, and says what to do where it is not.
set -euo pipefail

command -v wrk >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "bench: installing Debian's wrk" >&2
  apt-get install -y -qq wrk >/dev/null || { apt-get update -qq && apt-get install -y -qq wrk >/dev/null; }
  command -v wrk >/dev/null && exit 0
fi
echo "bench: SKIPPED, no figures: it needs wrk 4 (Debian: apt-get install wrk)" >&2
exit 1
