#!/usr/bin/env bash
# Resolves the locked requirements: names, versions and hashes, no addresses. Called by `make lock`.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
  "${UV:-uv}" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url "$@"
}

compile pyproject.toml --extra demo --extra dev -o requirements/dev.txt
compile pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
for extra in triton gpu mlflow; do
  compile pyproject.toml -c requirements/dev.txt --extra "$extra" -o "requirements/$extra.txt"
done
for peer in benchmarks/requirements/*.in; do
  compile "$peer" -o "${peer%.in}.txt"
done
