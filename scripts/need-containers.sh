#!/usr/bin/env bash
# Says on stdout what runs containers here: "docker" or "podman", each with a compose. Installs
# Debian's packages where that is possible, and says what to do where it is not.
set -euo pipefail

has_compose() { command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1; }
has_docker() { command -v docker >/dev/null && docker info >/dev/null 2>&1 && has_compose; }
# A root without systemd and without pulls needs all of it; other podmans come complete.
has_podman() { command -v podman >/dev/null && command -v docker-compose >/dev/null && [ -n "$(find_netavark)" ]; }
find_netavark() { command -v netavark || find /usr/lib/podman /usr/libexec/podman -name netavark 2>/dev/null || true; }
answer() {
  if has_docker; then echo docker; exit 0; fi
  if has_podman; then echo podman; exit 0; fi
}

answer
packages=(podman runc netavark aardvark-dns iptables iproute2 docker-compose mmdebstrap)
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "containers: installing Debian's ${packages[*]}" >&2
  install() { apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; }
  install || { apt-get update -qq && install; } || true
  answer
fi
echo "containers: SKIPPED, no image was built or run: it needs docker with compose, or podman with" >&2
echo "docker-compose and netavark (Debian: apt-get install ${packages[*]})" >&2
exit 77
