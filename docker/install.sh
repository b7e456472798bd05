#!/bin/sh
# Installs into /opt/mesh, inside the build of an image: locked things only, so no dependencies are
# looked for. pip itself and its cache do not stay in the image.
set -eu
python3 -m venv /tmp/pip
[ -x /opt/mesh/bin/python ] || python3 -m venv --without-pip /opt/mesh
/tmp/pip/bin/pip --python /opt/mesh/bin/python install --quiet --no-cache-dir --no-deps "$@"
rm -rf /tmp/pip ~/.cache
