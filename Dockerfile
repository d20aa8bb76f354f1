# facenet serve: slim, on a CPU, not as root. Build: docker build -t facenet .
FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/facenet
ENV PATH=/opt/facenet/bin:$PATH

# The largest part first, so that a change of the code does not fetch it again; without CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
COPY constraints.txt ./
RUN pip install -c constraints.txt --extra-index-url "$TORCH_INDEX" torch torchvision

COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY plugins plugins
COPY apps apps
RUN pip install -c constraints.txt --extra-index-url "$TORCH_INDEX" \
    ".[train,onnx,yunet,pgvector,serve,tracing]"

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="facenet" \
    org.opencontainers.image.licenses="MIT"

# OpenCV's wheel needs these two, in any version.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --create-home --home-dir /home/facenet facenet \
    && install --directory --owner=facenet --group=facenet /facenet/keys

COPY --from=build /opt/facenet /opt/facenet
ENV PATH=/opt/facenet/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FACENET_CACHE=/home/facenet/cache

# Mounted here: configs/inference.yaml, the model, and keys, the one folder that is written to.
WORKDIR /facenet
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["facenet"]
CMD ["serve", "--host", "0.0.0.0"]
