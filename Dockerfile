# This project as an image. From the repository's root:
#
#   build  docker build --build-arg COMMIT=$(git rev-parse HEAD) -t t1t2 .
#   try    docker run --rm --shm-size 4g -v t1t2-runs:/runs t1t2 python -m ablation.run --space search_spaces/smoke.yaml --output /runs
#   run    docker run --rm --gpus all --shm-size 16g --stop-timeout 120 -v "$PWD/my-cohort:/cohort:ro" -v "$PWD/runs:/runs" --user "$(id -u):$(id -g)" t1t2 python -m ablation.run --space search_spaces/paper.yaml --cohort /cohort --output /runs
#
# `docker stop` ends a run as cleanly as Ctrl-C, within --stop-timeout; the same command goes on with it.
#
# PyTorch has CUDA, and runs without a GPU too. Without CUDA the image is gigabytes smaller: add
# --build-arg TORCH_INDEX=..., the index that PyTorch's page on installation names for CPU.
#
# Nothing is written but to /tmp and where you say, so that the root file system can be read-only
# (docker run --read-only --tmpfs /tmp), and any user will do: --user, as above, for files that are yours.

ARG PYTHON=python:3.11-slim
FROM ${PYTHON}

ARG TORCH_INDEX=
WORKDIR /build
# First what seldom changes: what is built from it is kept, and need not be pushed again.
COPY cluster/image.sh pyproject.toml constraints.txt ./
RUN sh image.sh libraries
# A volume that is mounted here for the first time is this user's.
RUN useradd --uid 1000 --home-dir /tmp --no-create-home --shell /bin/bash t1t2 \
    && install -d -o t1t2 -g t1t2 /runs /record
COPY README.md LICENSE ./
COPY ablation ablation
COPY t1t2core t1t2core
RUN sh image.sh project
COPY search_spaces /opt/t1t2/search_spaces

# Whoever runs it, a user without a name or a home included, has HOME and caches where writing is allowed.
ENV PATH=/opt/venv/bin:$PATH \
    TMPDIR=/tmp HOME=/tmp USER=t1t2 MPLCONFIGDIR=/tmp/matplotlib XDG_CACHE_HOME=/tmp/cache \
    PYTHONNOUSERSITE=1 PYTHONUNBUFFERED=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
# There is no checkout in the image to ask: trials are recorded with this commit.
ARG COMMIT=unknown
ENV T1T2_COMMIT=${COMMIT}

WORKDIR /opt/t1t2
# By number: Kubernetes lets nobody in as `runAsNonRoot` whose number it does not know.
USER 1000:1000
# Process 1 has to pass signals on, and to bury what Ray leaves.
ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "ablation.run", "--help"]
