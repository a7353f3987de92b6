# The Action's container. What it installs, image.lock names with version and hash. Dependabot moves the digest on.
FROM python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea AS base

FROM base AS build
# Certificates as the machine trusts them, so that a proxy's own can be added to the base.
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_SYSTEM_CERTS=true UV_PYTHON_DOWNLOADS=never
WORKDIR /build
COPY requirements/bootstrap.lock requirements/image.lock requirements/
# What nobody runs here goes at once: tests, sources and headers for compilers, type stubs, MLflow's web pages, Arrow's
# network protocol.
RUN python -m venv /tools && /tools/bin/pip install --no-cache-dir --require-hashes -r requirements/bootstrap.lock \
 && python -m venv --without-pip /opt/gatewright \
 && /tools/bin/uv pip install --python /opt/gatewright/bin/python \
      --require-hashes --no-deps --only-binary :all: -r requirements/image.lock \
 && cd /opt/gatewright/lib/python3*/site-packages \
 && find . -depth -type d \( -name tests -o -name test \) -not -path './numpy/*' -exec rm -rf {} + \
 && find . -type f \( -name '*.py[ixd]' -o -name '*.pxi' -o -name '*.[cha]' -o -name '*.[ch]pp' \) -delete \
 && rm -rf mlflow/server/js pyarrow/include pyarrow/libarrow_flight* pyarrow/_flight* \
 && /opt/gatewright/bin/python -m compileall -q -j 0 .
COPY pyproject.toml README.md LICENSE ./
COPY src src
# What builds the package is gone after it. uv stays: `environment: model` installs with it.
RUN /tools/bin/uv pip install --python /opt/gatewright/bin/python --no-deps --no-build-isolation . \
 && /tools/bin/uv pip uninstall --python /opt/gatewright/bin/python \
      hatchling editables pathspec pluggy trove-classifiers \
 && cp /tools/bin/uv /opt/gatewright/bin/uv \
 && /opt/gatewright/bin/python -m compileall -q /opt/gatewright/lib/python3*/site-packages/gatewright

FROM base
COPY --from=build /opt/gatewright /opt/gatewright
ENV PATH=/opt/gatewright/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MLFLOW_DISABLE_TELEMETRY=true
# It starts as root, as GitHub asks of containers of actions: the files of a step belong to another user on each kind of
# runner. Models are never loaded as root: the worker that scores them gives its user up first.
# Isolated, so that nothing in the workspace is imported.
ENTRYPOINT ["python", "-I", "-m", "gatewright", "action"]
