#!/usr/bin/env bash
# A mesh in containers, from nothing to nothing: builds the images, brings them up with compose, deploys
# the model of examples/iris, invokes it, and takes all down. Called by `make containers`.
#
# Images are pulled where there is a registry. Elsewhere the base image is made of Debian's packages,
# NATS and Prometheus are Debian's and the lock's. As root with podman everything, the network
# included, is apart from this machine's own. Exit code 77: there is nothing to run containers with.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "containers: $* [${SECONDS} s]" >&2; }

ENGINE=$(scripts/need-containers.sh)
work=$(mktemp -d /var/tmp/mesh-containers.XXXXXX)
export ENGINE CONTAINERS_WORK=$work TAG=check IMAGES=serving-mesh
alone=no
if [ "$ENGINE" = podman ]; then
  IMAGES=localhost/serving-mesh
  [ "$(id -u)" != 0 ] || alone=yes
fi

# What podman's networks would leave on this machine.
traces() {
  iptables-save 2>/dev/null | grep -c NETAVARK || true
  cat /proc/sys/net/ipv4/ip_forward
}
before=$(traces)

clean_up() {
  if [ $alone = yes ]; then
    podman system reset --force >/dev/null 2>&1 || true
  else
    "$ENGINE" images --format '{{.Repository}}:{{.Tag}}' | grep "^$IMAGES/.*:$TAG\$" |
      xargs -r "$ENGINE" rmi --force >/dev/null 2>&1 || true
  fi
  rm -rf "$work"
}
trap clean_up EXIT

# A podman of our own: its images and networks, and what a machine without systemd and without the
# right to raise limits needs.
if [ $alone = yes ]; then
  export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
  cat >"$CONTAINERS_CONF" <<EOF
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]
[engine]
tmp_dir = "$work/tmp"
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "$work/networks"
EOF
  cat >"$CONTAINERS_STORAGE_CONF" <<EOF
[storage]
driver = "overlay"
graphroot = "$work/storage"
runroot = "$work/run"
EOF
  export BUILD_ARGS="${BUILD_ARGS:-} --network=host"
fi

pull() { timeout 300 "$ENGINE" pull --quiet "$1" >/dev/null 2>&1 && say "pulled $1"; }

official=${BASE:-docker.io/library/python:3.11-slim-bookworm}
if pull "$official"; then
  export BASE=$official
elif command -v mmdebstrap >/dev/null && [ "$(id -u)" = 0 ]; then
  say "no registry: making the base image of Debian's packages"
  export BASE=$IMAGES/base:$TAG
  mmdebstrap --quiet --variant=minbase \
    --include=python3,python3-venv,libpython3.11,ca-certificates bookworm "$work/base.tar"
  "$ENGINE" import --quiet "$work/base.tar" "$BASE" >/dev/null
  rm "$work/base.tar"
else
  say "FAILED: $official cannot be pulled, and mmdebstrap as root, which could make one, is not here"
  exit 1
fi

say "building the images"
docker/build.sh >"$work/build.log" 2>&1 || { tail -50 "$work/build.log" >&2; say "FAILED: the build"; exit 1; }
for role in mesh gateway worker worker-triton scaler; do
  size=$("$ENGINE" image inspect --format '{{.Size}}' "$IMAGES/$role:$TAG")
  say "$IMAGES/$role:$TAG $((size / 1000000)) MB"
done

pull docker.io/library/nats:2-alpine || export NATS_IMAGE=$IMAGES/gateway:$TAG  # the lock has a server

# Debian's Prometheus, in an image of its own.
debian_prometheus() {
  mkdir -p "$work/prometheus"
  (cd "$work/prometheus" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download prometheus &&
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -xO ./usr/bin/prometheus >prometheus &&
    chmod +x prometheus && rm -- *.deb) 2>/dev/null || return 1
  printf '%s\n' "FROM $BASE" "COPY prometheus /usr/local/bin/" \
    "RUN mkdir /prometheus && chown nobody /prometheus" "USER nobody" >"$work/prometheus/Dockerfile"
  local more
  read -ra more <<<"${BUILD_ARGS:-}"
  "$ENGINE" build --quiet "${more[@]}" -t "$IMAGES/prometheus:$TAG" "$work/prometheus" >/dev/null
}
export WITH_PROMETHEUS=yes
if ! pull docker.io/prom/prometheus:v2.55.1; then
  export PROMETHEUS_IMAGE=$IMAGES/prometheus:$TAG
  debian_prometheus || { WITH_PROMETHEUS=no; say "SKIPPED prometheus: neither its image nor Debian's package"; }
fi
say "SKIPPED grafana: it is optional, see docs/containers.md"

.venv/bin/python examples/iris/train.py >/dev/null
export CONTAINERS_SECONDS=$SECONDS
if [ $alone = yes ]; then
  # A network of its own, and what podman notes of it: no port, no rule of iptables and no sysctl of
  # this machine is touched, and all is gone with the last process.
  mkdir -p /run/netns /run/containers
  unshare --net --mount bash -ec '
    ip link set lo up
    mount -t tmpfs tmpfs /run/netns
    mount -t tmpfs tmpfs /run/containers
    exec scripts/containers-run.sh'
else
  scripts/containers-run.sh
fi
if [ $alone = yes ] && [ "$(traces)" != "$before" ]; then
  say "FAILED: rules of iptables or net.ipv4.ip_forward of this machine have changed"
  exit 1
fi
say "passed"
