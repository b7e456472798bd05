# One gateway: HTTP on 8080, nothing on disk. It needs NATS_URL and the broker's user of its role.
ARG MESH=serving-mesh/mesh
FROM ${MESH}
LABEL org.opencontainers.image.title="serving-mesh gateway"
ENV MESH_GATEWAY__HOST=0.0.0.0 \
    MESH_GATEWAY__PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/readyz' % os.environ['MESH_GATEWAY__PORT'], timeout=3)"]
CMD ["python", "-m", "gateway"]
