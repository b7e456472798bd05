# One instance of a deployment, and what its scoring script imports: put your own requirements in
# MODEL_REQUIREMENTS. Arguments say which instance: --endpoint E --deployment D --generation G --instance I.
ARG MESH=serving-mesh/mesh
FROM ${MESH}
LABEL org.opencontainers.image.title="serving-mesh worker"
ARG MODEL_REQUIREMENTS=docker/requirements/models.txt
USER root
RUN --mount=type=bind,target=/src \
    --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \
    [ -z "${MODEL_REQUIREMENTS}" ] || /src/docker/install.sh --require-hashes -r "/src/${MODEL_REQUIREMENTS}"
USER 10001:10001
ENV MESH_WORKER__HOST=0.0.0.0 \
    MESH_WORKER__PORT=8082
EXPOSE 8082
HEALTHCHECK --interval=5s --timeout=4s --start-period=600s --retries=3 \
    CMD ["python", "-c", "import re, os, urllib.request as r; m = r.urlopen('http://127.0.0.1:%s/metrics' % os.environ['MESH_WORKER__PORT'], timeout=3).read(); assert re.search(rb'^mesh_worker_ready{.*} 1', m, re.M)"]
ENTRYPOINT ["python", "-m", "workers"]
CMD ["--help"]
