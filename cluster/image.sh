#!/bin/sh
# Installs this project into an image; the Dockerfile and apptainer.def run it, as root, beside pyproject.toml and
# constraints.txt:
#
#   sh image.sh libraries   what the project needs, which is most of the image and seldom changes
#   sh image.sh project     the project itself
#
# TORCH_INDEX: one more index of packages, for another build of PyTorch than the usual one, which has CUDA.
set -eu

export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 DEBIAN_FRONTEND=noninteractive

case $1 in
libraries)
  # procps: kubernetes.yaml stops the driver by it. wget: KubeRay before 1.6 asks by it whether Ray is well.
  apt-get -qq update
  apt-get -qq install -y --no-install-recommends tini procps wget
  rm -rf /var/lib/apt/lists/*
  python3 -m venv /opt/venv
  python3 -c '
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*project["dependencies"], *project["optional-dependencies"]["cluster"], sep="\n")
' > requirements.txt
  # Of two builds of one version pip takes the one with a suffix, as +cpu.
  /opt/venv/bin/pip install -c constraints.txt -r requirements.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}
  # A login shell, as KubeRay's older versions start, sets PATH anew.
  echo 'export PATH=/opt/venv/bin:$PATH' > /etc/profile.d/t1t2.sh
  ;;
project)
  /opt/venv/bin/pip install -c constraints.txt --no-deps .
  ;;
*)
  echo "image.sh: libraries or project, not $1" >&2
  exit 2
  ;;
esac
