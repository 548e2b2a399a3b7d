# CPU image: the explorer and the command `vibes`, as a user without rights.
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 vibes \
 && install -d -o vibes -g vibes /home/vibes/listing-vibes /data /posted /shown
WORKDIR /home/vibes/listing-vibes
COPY --chown=vibes:vibes pyproject.toml README.md LICENSE ./
COPY --chown=vibes:vibes core core
COPY --chown=vibes:vibes app app
COPY --chown=vibes:vibes assets assets
USER vibes
RUN python3 -m venv .venv && .venv/bin/pip install --no-cache-dir -e '.[app,train,serve,sql,storage]'
ENV PATH="/home/vibes/listing-vibes/.venv/bin:$PATH" \
    LISTING_VIBES_HOST=0.0.0.0
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
    CMD python -c "import os, urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8501/_stcore/health', headers={'Authorization': 'Bearer ' + os.environ.get('LISTING_VIBES_TOKEN', '')}), timeout=4)"
ENTRYPOINT ["vibes"]
CMD ["demo", "--port", "8501", "--no-browser"]
