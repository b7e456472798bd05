#!/usr/bin/env bash
# Makes up the passwords of a mesh in containers: docker/.env, which only you can read. One that is
# there stays as it is.
set -euo pipefail
umask 077
file=${1:-$(dirname "$0")/.env}

if [ -e "$file" ]; then
  echo "init: $file is there already" >&2
  exit 0
fi
password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
for name in GATEWAY SCALER WORKER ADMIN GRAFANA; do
  echo "${name}_PASSWORD=$(password)"
done >"$file"
echo "init: wrote $file" >&2
