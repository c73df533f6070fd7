# Built where there is a C compiler, for the compiled part of the fold; run where there is none.
FROM python:3.11.14-bookworm AS build
WORKDIR /app
COPY pyproject.toml README.md ./
COPY schemas schemas
COPY policy policy
COPY streams streams
COPY reshelf reshelf
RUN pip wheel --disable-pip-version-check --no-deps --wheel-dir /wheels .

FROM python:3.11.14-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY --from=build /wheels /wheels
COPY constraints.txt /wheels/
RUN pip install --constraint /wheels/constraints.txt /wheels/*.whl && useradd --system --uid 10001 reshelf
USER reshelf
WORKDIR /tmp
ENTRYPOINT ["reshelf"]
CMD ["--help"]
