# CPU image: the explorer and the command `vibes`, as a user without rights. Its code and libraries belong to root.
# A build that is to be repeated to the byte names its base by digest: --build-arg BASE=python@sha256:...
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# The default index serves torch for CUDA (3 GB); --build-arg TORCH_INDEX=URL names PyTorch's own index of CPU builds.
ARG TORCH_INDEX
RUN useradd --create-home --uid 1000 vibes \
 && install -d -o vibes -g vibes /data
WORKDIR /opt/listing-vibes
COPY assets/deploy/requirements.txt assets/deploy/torch.txt ./
RUN python3 -m venv .venv \
 && .venv/bin/pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -r torch.txt \
 && .venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY app app
COPY assets assets
RUN .venv/bin/pip install --no-cache-dir --no-deps . && .venv/bin/pip check
USER vibes
ENV PATH="/opt/listing-vibes/.venv/bin:$PATH" \
    LISTING_VIBES_HOST=0.0.0.0
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
    CMD python -c "import os, urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8501/_stcore/health', headers={'Authorization': 'Bearer ' + os.environ.get('LISTING_VIBES_TOKEN', '')}), timeout=4)"
ENTRYPOINT ["vibes"]
CMD ["demo", "--port", "8501", "--no-browser"]
