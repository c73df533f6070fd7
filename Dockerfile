# Two images: `worker` (the default) has every command, `encoder` adds torch for `reshelf encoder`.
ARG PYTHON=3.11.14

# Built where there is a C compiler, for the compiled parts; run where there is none.
FROM python:${PYTHON}-bookworm AS build
WORKDIR /app
COPY pyproject.toml setup.py README.md LICENSE THIRD_PARTY.md ./
COPY schemas schemas
COPY policy policy
COPY encoders encoders
COPY streams streams
COPY reshelf reshelf
RUN pip wheel --disable-pip-version-check --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 HOME=/tmp
COPY constraints.txt /wheels/
COPY --from=build /wheels /wheels
RUN pip install --constraint /wheels/constraints.txt /wheels/*.whl && useradd --system --uid 10001 reshelf \
    && install --directory --owner reshelf /var/lib/reshelf
USER 10001
WORKDIR /tmp
ENTRYPOINT ["reshelf"]
CMD ["--help"]

# TORCH_INDEX: where pip finds a build of torch for the CPU; empty takes the one with CUDA, which is much larger.
FROM base AS encoder
ARG TORCH_INDEX=
USER 0
RUN pip install --constraint /wheels/constraints.txt ${TORCH_INDEX:+--extra-index-url $TORCH_INDEX} "$(echo /wheels/*.whl)[encoders]"
USER 10001

FROM base AS worker
