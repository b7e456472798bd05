# A worker with a Triton Inference Server. By default it is the one in the wheel nvidia-pytriton: the
# CPU, and the backends python and ensemble. For the others build the images over NVIDIA's own, which
# has tritonserver where workers look for it: BASE=nvcr.io/nvidia/tritonserver:<version>-py3 and SERVER=.
ARG WORKER=serving-mesh/worker
FROM ${WORKER}
LABEL org.opencontainers.image.title="serving-mesh worker with Triton"
ARG SERVER=docker/requirements/tritonserver.txt
USER root
RUN --mount=type=bind,target=/src \
    --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \
    /src/docker/install.sh --require-hashes -r /src/requirements/triton.txt ${SERVER:+-r "/src/${SERVER}"}
USER 10001:10001
