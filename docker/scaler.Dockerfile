# A node: the scaler and the workers it starts, so it is a worker's image with another command. What
# deployments need must be in WORKER; serving-mesh/worker-triton is another one.
ARG WORKER=serving-mesh/worker
FROM ${WORKER}
LABEL org.opencontainers.image.title="serving-mesh node"
ENV MESH_GATEWAY__COUNT=0 \
    MESH_SCALER__HOST=0.0.0.0 \
    MESH_SCALER__PORT=8081 \
    MESH_WORKER__PORT=0
EXPOSE 8081
HEALTHCHECK --interval=5s --timeout=4s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; assert b'\\nmesh_scaler_leading 1' in r.urlopen('http://127.0.0.1:%s/metrics' % os.environ['MESH_SCALER__PORT'], timeout=3).read()"]
ENTRYPOINT []
CMD ["mesh", "up"]
