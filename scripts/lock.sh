#!/usr/bin/env bash
# Resolves the locked requirements: names, versions and hashes, no addresses. Called by `make lock`.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
  "${UV:-uv}" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url "$@"
}

# nvidia-pytriton is used for the server binary in its wheel, never imported: what it asks for stays
# out, its limit on numpy included. Hence `pip install --no-deps` in scripts/setup.sh.
overrides=$(mktemp)
trap 'rm -f "$overrides"' EXIT
printf '%s\n' 'numpy>=2' >"$overrides"
for unused in pyzmq sh typing-inspect wrapt typer importlib-metadata; do
  printf '%s; python_version < "3"\n' "$unused" >>"$overrides"
done

compile --override "$overrides" pyproject.toml --extra demo --extra dev -o requirements/dev.txt
compile pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
for extra in triton gpu mlflow forecast plot; do
  compile pyproject.toml -c requirements/dev.txt --extra "$extra" -o "requirements/$extra.txt"
done
for peer in benchmarks/requirements/*.in; do
  compile "$peer" -o "${peer%.in}.txt"
done
for image in docker/requirements/*.in; do
  no_deps=()
  [ "$image" = docker/requirements/tritonserver.in ] && no_deps=(--no-deps)  # as in scripts/setup.sh
  compile "${no_deps[@]}" "$image" -c requirements/dev.txt -o "${image%.in}.txt"
done
