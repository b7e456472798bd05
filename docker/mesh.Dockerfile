# What the images of all roles start with: Python, the locked requirements, the mesh and a user.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS wheel
RUN --mount=type=bind,target=/src --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \
    python3 -m venv /build \
    && /build/bin/pip install --quiet --require-hashes --no-deps -r /src/docker/requirements/build.txt \
    && /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheel /src

FROM ${BASE}
LABEL org.opencontainers.image.title="serving-mesh" \
      org.opencontainers.image.description="An event-driven model-serving mesh over NATS" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 mesh \
    && useradd --uid 10001 --gid mesh --home-dir /var/lib/mesh --create-home --shell /usr/sbin/nologin mesh
RUN --mount=type=bind,target=/src --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \
    /src/docker/install.sh --require-hashes -r /src/requirements/runtime.txt \
    && /src/docker/install.sh --no-index /wheel/*.whl
ENV PATH=/opt/mesh/bin:$PATH \
    MESH_STATE_DIR=/var/lib/mesh \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/mesh
STOPSIGNAL SIGTERM
CMD ["mesh", "--help"]
