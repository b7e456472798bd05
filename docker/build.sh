#!/usr/bin/env bash
# Builds the images of all roles: docker/build.sh [ROLE...]
#
#   ENGINE   docker or podman                                   (docker if it is there)
#   IMAGES   what their names start with                        (serving-mesh)
#   TAG                                                         (latest)
#   BASE     an image with Python 3.11 or newer, venv and glibc (python:3.11-slim-bookworm)
#   NODE     the worker image that scaler is built on           ($IMAGES/worker:$TAG)
#   BUILD_ARGS  more options for the engine's build
#
# A package index, a proxy or a CA that this machine's pip is set up with is used for the build, and
# is in no image: it comes as a secret.
set -euo pipefail
cd "$(dirname "$0")/.."

ENGINE=${ENGINE:-$(command -v docker >/dev/null && echo docker || echo podman)}
IMAGES=${IMAGES:-serving-mesh} TAG=${TAG:-latest} BASE=${BASE:-python:3.11-slim-bookworm}
NODE=${NODE:-$IMAGES/worker:$TAG}
export DOCKER_BUILDKIT=1 BUILDAH_FORMAT=docker  # secrets need the one, health checks the other

secrets=$(mktemp -d)
trap 'rm -rf "$secrets"' EXIT

# What pip is told here, but for what names files of this machine.
pip_secrets() {
  local pip=(python3 -m pip) ca
  "${pip[@]}" --version >/dev/null 2>&1 || return 0
  ca=${PIP_CERT:-$("${pip[@]}" config get global.cert 2>/dev/null || true)}
  {
    echo "[global]"
    [ -z "$ca" ] || echo "cert = /run/secrets/ca"
    "${pip[@]}" config list 2>/dev/null | tr -d "'" |
      sed -nE "s/^(global|:env:)\.(index-url|extra-index-url|proxy|trusted-host|timeout|default-timeout)=/\2 = /p" |
      grep -v 'file://' || true
  } >"$secrets/pip.conf"
  args+=(--secret "id=pip,src=$secrets/pip.conf")
  [ -z "$ca" ] || args+=(--secret "id=ca,src=$ca")
}

args=()
pip_secrets
read -ra more <<<"${BUILD_ARGS:-}"
args+=("${more[@]}")

build() { # role, build arguments...
  local role=$1 options=() arg
  shift
  for arg in "$@"; do options+=(--build-arg "$arg"); done
  echo "build: $IMAGES/$role:$TAG"
  "$ENGINE" build "${args[@]}" "${options[@]}" -f "docker/$role.Dockerfile" -t "$IMAGES/$role:$TAG" .
}

for role in "${@:-mesh gateway worker worker-triton scaler}"; do
  for one in $role; do
    case $one in
      mesh) build mesh "BASE=$BASE" ;;
      gateway) build gateway "MESH=$IMAGES/mesh:$TAG" ;;
      worker) build worker "MESH=$IMAGES/mesh:$TAG" ${MODEL_REQUIREMENTS+"MODEL_REQUIREMENTS=$MODEL_REQUIREMENTS"} ;;
      worker-triton) build worker-triton "WORKER=$IMAGES/worker:$TAG" ${SERVER+"SERVER=$SERVER"} ;;
      scaler) build scaler "WORKER=$NODE" ;;
      *) echo "build: no such role: $one (mesh, gateway, worker, worker-triton, scaler)" >&2; exit 2 ;;
    esac
  done
done
