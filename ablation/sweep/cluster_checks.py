"""Whether a Ray cluster can run this project: its token, its versions, what its machines have installed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray
from ray.exceptions import (
    AuthenticationError,
    GetTimeoutError,
    NodeDiedError,
    RayError,
    RpcError,
    TaskUnschedulableError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ablation import compat
from t1t2core.errors import InputError

TOKEN_HELP = (
    "put the token that the cluster was started with into ~/.ray/auth_token, and set RAY_AUTH_MODE=token"
)
INSTALL_SECONDS = 120.0
"""Within which each machine of a cluster says what it has installed; a busy one starts processes slowly."""
DISTRIBUTION, PACKAGES = "t1t2-ablation", ("ablation", "t1t2core")
LEFT = (NodeDiedError, TaskUnschedulableError)
"""A machine that went away while it was asked."""


@dataclass(frozen=True)
class Installed:
    """This project as a machine has it; `code` is a digest of its modules, empty where it is not there."""

    version: str
    code: str

    def __str__(self) -> str:
        return f"{self.version} (code {self.code[:8]})"


def check_entry(address: str) -> None:
    """Check a cluster before Ray joins it, which would try for a long time, or end the process.

    Raises:
        InputError: the cluster refuses our token, or runs another Ray or Python.
    """
    try:
        resolved = compat.resolve_cluster_address(address)
    except ValueError as error:
        raise InputError(f"no address of a Ray cluster: {address} (auto, or HOST:PORT)") from error
    if resolved is None:
        return
    try:
        compat.load_cluster_token(address)
    except AuthenticationError as error:
        raise InputError(f"no token for the Ray cluster at {resolved}: {TOKEN_HELP}") from error
    try:
        with _silent():
            metadata = compat.read_cluster_metadata(resolved)
    except AuthenticationError as error:
        raise InputError(
            f"the Ray cluster at {resolved} refuses our token, or wants one: {TOKEN_HELP}"
        ) from error
    except RpcError as error:
        raise InputError(f"no Ray cluster answers at {resolved}: {str(error).splitlines()[0]}") from error
    try:
        compat.check_cluster_versions(metadata, resolved)
    except RuntimeError as error:
        there = f"Ray {metadata['ray_version']} and Python {metadata['python_version']}"
        here = "Ray {} and Python {}".format(*compat.versions_here())
        raise InputError(
            f"the Ray cluster at {resolved} runs {there}, this machine {here}: both must be the same"
        ) from error


def check_machines() -> None:
    """Ask every machine of the cluster that was joined what it has of this project.

    Raises:
        InputError: one has none or another version; all that do are named.
    """
    tell = teller()
    here = Installed(*tell(DISTRIBUTION, PACKAGES))
    remote = ray.remote(num_cpus=0, max_retries=0)(tell)
    asked = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            answer = remote.options(scheduling_strategy=there).remote(DISTRIBUTION, PACKAGES)
            asked[node["NodeManagerAddress"], node["NodeID"]] = answer
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=INSTALL_SECONDS)
    findings = [
        f"{address}: {finding}" for (address, _), answer in asked.items() if (finding := _judge(answer, here))
    ]
    if findings:
        raise InputError.collect(
            "machines of the Ray cluster that cannot run the trials (install the same on all, see cluster/):",
            findings,
        )


def teller() -> Callable[[str, tuple[str, ...]], tuple[str, str]]:
    """Return a function that tells a project's version and digest.

    It goes to other machines by value, since they may lack our modules.
    """

    def tell(distribution: str, packages: tuple[str, ...]) -> tuple[str, str]:
        from hashlib import sha256
        from importlib.metadata import PackageNotFoundError, version
        from importlib.util import find_spec
        from pathlib import Path

        digest = sha256()
        for package in packages:
            try:
                spec = find_spec(package)
            except ImportError:
                spec = None
            if spec is None or not spec.submodule_search_locations:
                return "", ""
            folder = Path(spec.submodule_search_locations[0])
            for file in sorted(folder.rglob("*.py")):
                content = sha256(file.read_bytes()).hexdigest()
                digest.update(f"{package}/{file.relative_to(folder).as_posix()} {content}\n".encode())
        try:
            return version(distribution), digest.hexdigest()
        except PackageNotFoundError:
            return "not installed by pip", digest.hexdigest()

    return tell


def _judge(answer: ray.ObjectRef, here: Installed) -> str:
    """Return what is wrong with a machine; empty if nothing is, or it is gone."""
    try:
        there = Installed(*ray.get(answer, timeout=0))
    except LEFT:
        return ""
    except GetTimeoutError:
        return f"no answer within {INSTALL_SECONDS:g} s"
    except RayError as error:
        return f"cannot run a task: {str(error).strip().splitlines()[-1]}"
    if not there.code:
        return "this project is not installed there"
    return "" if there.code == here.code else f"has this project in version {there}, this machine {here}"


@contextmanager
def _silent() -> Iterator[None]:
    """Drop Ray's own warnings, written past Python's standard error: they would stand beside our message."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
