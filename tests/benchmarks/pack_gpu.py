"""`python -m tests.benchmarks.pack_gpu OUT`: what a GPU machine without a network lacks, as two archives.

For Python 3.12 on x86-64, where PyTorch with CUDA, NumPy, Numba, pandas, SciPy, Matplotlib and their like are
installed. Versions are those of constraints.txt. Both archives are unpacked into one folder, which goes onto
PYTHONPATH before this project. SimpleITK, which is large, is replaced by a module that can only be imported:
prepare the volumes before, and carry the output folder along (`--runs` of tests/benchmarks/gpu). Packing
takes some minutes.
"""

import argparse
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = "3.12"
PLATFORMS = tuple(f"manylinux{tag}_x86_64" for tag in ("_2_28", "_2_27", "_2_17", "2014"))
NEEDED = (
    *("ray", "mlflow", "mlflow-skinny", "mlflow-tracing", "optuna", "sqlalchemy", "alembic", "mako"),
    *("pydantic", "pydantic-core", "nibabel", "jsonschema", "jsonschema-specifications", "referencing"),
    *("rpds-py", "opentelemetry-api", "opentelemetry-sdk", "opentelemetry-proto"),
    *("opentelemetry-semantic-conventions", "databricks-sdk", "google-auth", "pyasn1", "pyasn1-modules"),
    *("cryptography", "cffi", "cachetools", "colorlog", "sqlparse", "fastapi", "starlette", "gitpython"),
    *("gitdb", "smmap", "importlib-metadata", "python-dotenv", "annotated-types", "typing-inspection"),
    *("tensorboardx", "monai", "pydicom", "loky"),
)
"""Libraries that the commands import and such a machine lacks."""
LEFT_OUT = (
    *("ray/jars", "ray/dashboard/client", "ray/rllib", "ray/serve", "ray/llm", "ray/cpp"),
    "mlflow/server/js",
)
"""Large parts of them that no command uses."""
OWN = ("ablation", "t1t2core", "bin")
"""What travels as the project itself; of its installation only the record of its version is needed."""
STAND_IN = '''"""Stands in for SimpleITK where all volumes are prepared: it can only be imported."""


def __getattr__(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {"__init__": lambda self, *a, **k: None, "__call__": lambda self, *a, **k: None})
'''


def canonical(name: str) -> str:
    """A library's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(names: Iterable[str]) -> list[str]:
    """The libraries with their versions in constraints.txt; those that are not there are left out."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonical(line.partition("==")[0]): line for line in lines if "==" in line and line[0] != "#"}
    if missing := [name for name in names if canonical(name) not in pins]:
        print("not in constraints.txt, left out:", ", ".join(missing))
    return [pins[canonical(name)] for name in names if canonical(name) in pins]


def unpack(wheel: Path, site: Path) -> None:
    """Unpack a wheel; programs in it, such as Ray's, stay executable, which `zipfile` alone forgets."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = archive.extract(member, site)
            if mode := member.external_attr >> 16 & 0o777:
                os.chmod(path, mode)


def gather(site: Path) -> None:
    """Unpack the libraries' wheels into a folder, without what no command uses."""
    pip = [sys.executable, "-m", "pip", "--quiet"]
    with tempfile.TemporaryDirectory(prefix="wheels-") as wheels:
        platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
        only = ["--no-deps", "--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp"]
        subprocess.run([*pip, "download", *only, *platforms, "--dest", wheels, *pinned(NEEDED)], check=True)
        for wheel in sorted(Path(wheels).glob("*.whl")):
            unpack(wheel, site)
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(ROOT)], check=True)
    for name in (*LEFT_OUT, *OWN):
        shutil.rmtree(site / name, ignore_errors=True)
    (site / "SimpleITK.py").write_text(STAND_IN, encoding="utf-8")


def pack(site: Path, names: Iterable[str], target: Path) -> None:
    """Write these files and folders into an archive."""
    with lzma.open(target, "wb", preset=6) as file, tarfile.open(fileobj=file, mode="w|") as archive:
        for name in names:
            archive.add(site / name, name)
    print(f"{target}: {target.stat().st_size / 2**20:.1f} MiB")


def main() -> None:
    """Write `ray.txz` and `rest.txz`."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.pack_gpu", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the archives")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="site-") as temporary:
        site = Path(temporary)
        gather(site)
        names = sorted(path.name for path in site.iterdir())
        of_ray = [name for name in names if re.match(r"ray(-|$)", name)]
        pack(site, of_ray, given.out / "ray.txz")
        pack(site, (name for name in names if name not in of_ray), given.out / "rest.txz")


if __name__ == "__main__":
    main()
