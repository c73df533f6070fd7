FROM python:3.11.14-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY schemas schemas
COPY policy policy
COPY streams streams
COPY reshelf reshelf
RUN pip install --constraint constraints.txt . && useradd --system --uid 10001 reshelf
USER reshelf
WORKDIR /tmp
ENTRYPOINT ["reshelf"]
CMD ["--help"]
