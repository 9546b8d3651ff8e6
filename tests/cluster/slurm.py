"""A real Slurm of two nodes that are both this machine; it starts in seconds, without cgroups."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.commands import wait_until
from tests.faults.server import free_port

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "squeue", "scontrol")
NODES = ("n1", "n2")
CONFIGURATION = """
ClusterName=t1t2
SlurmctldHost={host}
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdTimeout=10
KillWait=20
MailProg=/bin/true
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why there can be no Slurm here; empty where there can."""
    absent = [name for name in PROGRAMS if not shutil.which(name)]
    if absent:
        return f"needs {', '.join(absent)} (Debian: slurmctld slurmd slurm-client munge)"
    return "" if os.geteuid() == 0 else "needs root"


class Slurm:
    """A cluster of which a test gives the commands.

    Args:
        folder: for its files; its name must be short, since sockets lie in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 CPUs=1 "
            f"Port={free_port()}"
            for name in NODES
        )
        configuration = CONFIGURATION.format(
            host=socket.gethostname(), port=free_port(), folder=folder, nodes=nodes
        )
        (folder / "slurm.conf").write_text(configuration, encoding="utf-8")
        (folder / "munge.key").write_bytes(os.urandom(1024))
        (folder / "munge.key").chmod(0o600)
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (folder / name).mkdir()
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all daemons, and wait until both nodes are idle."""
        files = [f"--{kind}-file={self.folder}/munge.{kind}" for kind in ("key", "pid", "log", "seed")]
        self._daemon("munged", "--force", "--foreground", f"--socket={self.folder}/munge.socket", *files)
        wait_until((self.folder / "munge.socket").exists, "munge is there")
        self._daemon("slurmctld", "-D")
        for node in NODES:
            self.start_node(node)
        wait_until(lambda: self.run("sinfo", "-h", "-o", "%t %D").split() == ["idle", "2"], "nodes are idle")

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._daemon(node, "-D", "-N", node, program="slurmd")

    def kill_node(self, node: str) -> None:
        """Let a node die, with all that runs on it."""
        self.daemons.pop(node).kill()
        for pid in self._on(node):
            subprocess.run(["kill", "-9", str(pid)], check=False)

    def submit(self, *arguments: str) -> str:
        """Give `sbatch` and return the job's number."""
        return self.run("sbatch", "--parsable", *arguments).strip()

    def states(self, job: str) -> list[str]:
        """Return the states of the tasks of a job that are not over, one each."""
        return self.run("squeue", "-h", "-r", "-j", job, "-o", "%T").split()

    def run(self, *command: str) -> str:
        """Give one of Slurm's commands, and return what it prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout

    def stop(self) -> None:
        """End everything."""
        self.run("scancel", "--full", "--signal=KILL", "-u", "root")
        for process in self.daemons.values():
            process.terminate()
        for process in self.daemons.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        for node in NODES:
            for pid in self._on(node):
                subprocess.run(["kill", "-9", str(pid)], check=False)

    def _daemon(self, name: str, *arguments: str, program: str = "") -> None:
        with (self.folder / f"{name}.out").open("ab") as said:
            self.daemons[name] = subprocess.Popen(
                [program or name, *arguments], env=self.environment, stdout=said, stderr=said
            )

    def _on(self, node: str) -> list[int]:
        """Processes of the jobs that run on a node."""
        wanted = f"SLURMD_NODENAME={node}\0".encode(), f"SLURM_CONF={self.folder}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                environment = path.read_bytes()
            except OSError:
                continue
            if all(text in environment for text in wanted):
                found.append(int(path.parent.name))
        return found


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[Slurm]:
    """The cluster, started; ended whatever happens."""
    slurm = Slurm(folder)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()
        time.sleep(0.1)
