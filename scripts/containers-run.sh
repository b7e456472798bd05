#!/usr/bin/env bash
# The second half of scripts/containers.sh: the images are there; run them, use them, stop them.
set -euo pipefail

say() { echo "containers: $* [${SECONDS} s]" >&2; }
fail() { say "FAILED: $*"; exit 1; }

work=$CONTAINERS_WORK SECONDS=$CONTAINERS_SECONDS
python=.venv/bin/python
helpers=()

if [ "$ENGINE" = podman ]; then
  export DOCKER_HOST=unix://$work/podman.sock DISABLE_HC_SYSTEMD=true
  podman system service --time=0 "$DOCKER_HOST" 2>"$work/service.log" &
  helpers+=($!)
  for _ in $(seq 100); do [ -S "$work/podman.sock" ] && break; sleep 0.1; done
fi
if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi

free_ports() {
  $python - <<EOF
import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
for name, one in zip(("GATEWAY", "NATS", "PROMETHEUS", "GRAFANA"), taken):
    print(f"{name}_PORT={one.getsockname()[1]}")
EOF
}

docker/init.sh "$work/env" 2>/dev/null
free_ports >>"$work/env"
set -a
# shellcheck disable=SC1091
. "$work/env"
set +a
export PUBLIC_URL=http://127.0.0.1:$GATEWAY_PORT
compose+=(-p "mesh-check-$$" --env-file "$work/env" -f docker/compose.yaml)

# podman leaves health checks to systemd's timers, which not every machine has.
if [ "$ENGINE" = podman ]; then
  while sleep 1; do
    for id in $(podman ps --quiet --filter "label=com.docker.compose.project=mesh-check-$$"); do
      podman healthcheck run "$id" >/dev/null 2>&1 || true
    done
  done &
  helpers+=($!)
fi

clean_up() {
  local code=$?
  if [ $code != 0 ]; then
    "${compose[@]}" logs --no-color --tail=60 >&2 || true
    cat "$work/targets" >&2 2>/dev/null || true
  fi
  "${compose[@]}" down --volumes --remove-orphans --timeout 60 >"$work/down.log" 2>&1 || cat "$work/down.log" >&2
  for pid in "${helpers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
}
trap clean_up EXIT

get() { $python -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())' "$1" 2>/dev/null; }
until_it() { # seconds, what for, command...
  local limit_s=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$limit_s" ] || fail "$what"
    sleep 1
  done
}

"${compose[@]}" config --quiet || fail "docker/compose.yaml"
services=(nats scaler gateway)
[ "$WITH_PROMETHEUS" = no ] || services+=(prometheus)
say "starting ${services[*]}"
"${compose[@]}" up -d "${services[@]}" >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2; fail "compose up"; }
is_ready() { get "http://127.0.0.1:$GATEWAY_PORT/readyz" >/dev/null; }
until_it 90 "the gateway does not get ready" is_ready
say "the gateway is ready"

export NATS_URL=nats://127.0.0.1:$NATS_PORT NATS_USER=admin NATS_PASSWORD=$ADMIN_PASSWORD
mesh=(.venv/bin/mesh)
"${mesh[@]}" endpoint create -f examples/iris/endpoint.yml >&2
"${mesh[@]}" deployment create -f examples/iris/blue.yml --all-traffic --timeout 120 >&2
answer=$("${mesh[@]}" endpoint invoke -n iris --request-file examples/iris/request.json)
say "the model answers: $answer"
[[ $answer == *LogisticRegression* ]] || fail "not what the model should answer"

# A target per program: scaler, gateway, worker.
targets() {
  get "http://127.0.0.1:$PROMETHEUS_PORT/api/v1/targets?state=active" | $python -c '
import json, sys
seen = {(one["labels"]["job"], one["scrapeUrl"], one["health"]) for one in json.load(sys.stdin)["data"]["activeTargets"]}
for row in sorted(seen):
    print("  ", *row)
sys.exit(len(seen) < 3 or any(health != "up" for *_, health in seen))'
}
has_targets() { targets >"$work/targets" 2>/dev/null; }
if [ "$WITH_PROMETHEUS" = yes ]; then
  until_it 60 "prometheus does not see scaler, gateway and worker" has_targets
  say "prometheus scrapes"
  cat "$work/targets" >&2
fi

"$ENGINE" run --rm --entrypoint python "$IMAGES/worker-triton:$TAG" -c '
import importlib.util, pathlib, subprocess
wheel = pathlib.Path(importlib.util.find_spec("pytriton").origin).parent / "tritonserver"
libs = wheel.parents[1] / "nvidia_pytriton.libs"
done = subprocess.run([wheel / "bin/tritonserver", "--help"], env={"LD_LIBRARY_PATH": str(libs)}, capture_output=True, text=True)
assert "--model-repository" in done.stdout + done.stderr, done
' || fail "tritonserver does not start in $IMAGES/worker-triton"
say "tritonserver is in $IMAGES/worker-triton"

say "stopping"
"${compose[@]}" stop --timeout 60 >/dev/null 2>&1
for service in gateway scaler nats; do
  id=$("${compose[@]}" ps --quiet "$service")
  code=$("$ENGINE" inspect --format '{{.State.ExitCode}}' "$id")
  [ "$code" = 0 ] || [ $service = nats ] || fail "$service did not drain: exit code $code"
done
"${compose[@]}" down --volumes --remove-orphans >/dev/null 2>&1
left=$("$ENGINE" ps --all --quiet --filter "label=com.docker.compose.project=mesh-check-$$")
[ -z "$left" ] || fail "containers are left: $left"
