"""Machines with sshd in a network of their own that nothing leaves: namespaces of this machine's kernel."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.commands import wait_until

PROGRAMS = ("sshd", "ssh", "ssh-keygen", "rsync", "tmux", "ip", "unshare", "nsenter", "setpriv")
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
GATEWAY, NETWORK = "10.77.0.1", "10.77.0.{}"
RAY = Path("/tmp/ray")
"""Ray's sockets and what it launched; each machine has its own in this place."""
USERS = Path("/etc/passwd")
"""By which programs know where a user is at home."""
LEAST = ["nice", "-n", "19"]


@dataclass(frozen=True)
class Machine:
    """A home folder, and a process whose namespaces are the machine."""

    address: str
    home: Path
    process: subprocess.Popen[bytes]

    def entered(self, command: str) -> list[str]:
        """Of a program that runs a shell command there."""
        inside = f"cd {shlex.quote(str(self.home))} && {command}"
        return [_program("nsenter"), "-t", str(self.process.pid), "--net", "--mount", "bash", "-c", inside]

    def environment(self) -> dict[str, str]:
        """As a user's who has just logged in there."""
        terminal = {"TERM": "xterm", "LC_ALL": "C.UTF-8"}
        return {**terminal, "PATH": f"{Path(sys.executable).parent}:{PATH}", "HOME": str(self.home)}

    def run(self, command: str, *, status: int = 0, seconds: float = 300) -> str:
        """What a shell command says there; its status must be this one."""
        ended = subprocess.run(
            self.entered(command),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=seconds,
            check=False,
        )
        assert ended.returncode == status, f"{command}: status {ended.returncode}\n{ended.stdout}"
        return ended.stdout

    def listens_on(self) -> dict[int, set[str]]:
        """Ports with the addresses on which a program there waits for connections, as proc(5) has them."""
        found: dict[int, set[str]] = {}
        for table in ("tcp", "tcp6"):
            lines = Path(f"/proc/{self.process.pid}/net/{table}").read_text(encoding="utf-8").splitlines()[1:]
            for local, state in ((line.split()[1], line.split()[3]) for line in lines):
                if state == "0A":
                    address, port = local.split(":")
                    found.setdefault(int(port, 16), set()).add(address)
        return found


@contextmanager
def private_network(folder: Path, names: list[str]) -> Iterator[dict[str, Machine]]:
    """A laptop, and machines of these names that let it in by ssh."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (openssh-server, rsync, tmux, iproute2)")
    if os.geteuid() != 0 or subprocess.run([_program("unshare"), "--net", "--mount", "true"]).returncode:
        pytest.skip("machines of our own, network namespaces, are not allowed here")
    machines: dict[str, Machine] = {}
    try:
        machines["laptop"] = laptop = _start(folder, "laptop", GATEWAY, "exec sleep infinity")
        _lay_cable(laptop)
        for number, name in enumerate(names, start=10):
            address = NETWORK.format(number)
            config = _write_sshd_config(folder, name, address)
            # A shell of its own, so that somebody is there to bury the processes that are left behind.
            plugged = "until ip route | grep -q default; do sleep 0.1; done"
            sshd = f"{plugged}; {_program('sshd')} -D -f {config} & wait"
            machines[name] = _start(
                folder, name, address, sshd, "--pid", "--fork", "--kill-child", "--mount-proc"
            )
            _plug_in(laptop, machines[name], name)
            _install(machines[name].home)
        yield machines
    finally:
        for machine in machines.values():
            machine.process.kill()
            machine.process.wait()


def _start(folder: Path, name: str, address: str, command: str, *more: str) -> Machine:
    home, ray = folder / name, folder / f"{name}-ray"
    home.mkdir()
    ray.mkdir()
    RAY.mkdir(exist_ok=True)
    unshare = [_program("setpriv"), "--pdeathsig", "KILL", _program("unshare"), "--net", "--mount", *more]
    users = _write_users(folder / f"{name}-passwd", home)
    own_places = f"mount --bind {ray} {RAY} && mount --bind {users} {USERS} && touch {home}/.bashrc"
    inside = f"{own_places} && ip link set lo up && {{ {command}; }}"
    process = subprocess.Popen([*LEAST, *unshare, "bash", "-c", inside], env={**os.environ, "PATH": PATH})
    wait_until((home / ".bashrc").exists, f"{name} is a machine of its own")
    return Machine(address, home, process)


def _write_users(file: Path, home: Path) -> Path:
    """Those of this machine, but for where we are at home."""
    lines = [line.split(":") for line in USERS.read_text(encoding="utf-8").splitlines()]
    moved = [[*line[:5], str(home), *line[6:]] if line[2] == str(os.geteuid()) else line for line in lines]
    file.write_text("\n".join(map(":".join, moved)) + "\n", encoding="utf-8")
    return file


def _lay_cable(laptop: Machine) -> None:
    laptop.run("ip link add lan type bridge && ip link set lan up")
    laptop.run(f"ip address add {GATEWAY}/24 dev lan")


def _plug_in(laptop: Machine, machine: Machine, name: str) -> None:
    """The way out of the network that Ray looks for leads to the laptop, and ends there."""
    peer = machine.process.pid
    laptop.run(
        f"ip link add {name} type veth peer name eth0 netns {peer} && ip link set {name} master lan up"
    )
    machine.run(f"ip address add {machine.address}/24 dev eth0 && ip link set eth0 up")
    machine.run(f"ip route add default via {GATEWAY}")


def _write_sshd_config(folder: Path, name: str, address: str) -> Path:
    config, key = folder / f"{name}-sshd", folder / "key"
    if not key.exists():
        subprocess.run([_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    # What the machine lacks is in the tests' own environment: nothing is fetched.
    environment = f"TMUX_TMPDIR={folder / name} PIP_NO_INDEX=1 PIP_NO_BUILD_ISOLATION=0"
    lines = [
        f"ListenAddress {address}",
        f"HostKey {key}",
        f"AuthorizedKeysFile {key}.pub",
        f"SetEnv {environment}",
        "StrictModes no",
        "PidFile none",
    ]
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return config


def _install(home: Path) -> None:
    """A virtual environment with the libraries of the tests' own, but without this project."""
    venv.create(home / "venv", symlinks=True)
    inside = home / "venv/bin"
    libraries = next((home / "venv/lib").glob("python*/site-packages"))
    (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    programs = Path(sysconfig.get_path("scripts"))
    for program in filter(Path.is_file, programs.iterdir()):
        first, _, rest = program.read_bytes().partition(b"\n")
        if first.startswith(f"#!{programs}/".encode()):
            copy = inside / program.name
            copy.write_bytes(f"#!{inside / 'python'}\n".encode() + rest)
            copy.chmod(0o755)


def _program(name: str) -> str:
    return shutil.which(name, path=PATH) or name
