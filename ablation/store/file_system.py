"""File systems that folders lie on: where each is mounted, and whether it is a network's."""

import re
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
"""Where Linux lists what is mounted, see proc_pid_mountinfo(5); other systems have no such file."""
OF_NETWORKS = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "virtiofs", "ncpfs"),
        *("lustre", "gpfs", "beegfs", "fhgfs", "ceph", "glusterfs", "pvfs2", "orangefs", "panfs", "wekafs"),
        *("sshfs", "s3fs", "gcsfuse", "rclone", "juicefs", "mountpoint-s3", "quobyte", "moosefs"),
    }
)
"""Kinds of file systems that several machines may write to at once; those of FUSE without its `fuse.`."""


@dataclass(frozen=True)
class Mount:
    """What is mounted somewhere; `kind` is the file system's as the kernel names it, such as `ext4`."""

    point: Path
    kind: str

    @property
    def is_network(self) -> bool:
        """Whether other machines may write to it, and locks may be worth nothing."""
        return self.kind.removeprefix("fuse.") in OF_NETWORKS


def mount_of(path: Path, table: Path = MOUNTS) -> Mount | None:
    """Return what a path lies on; None where the system does not tell.

    Args:
        table: the list of what is mounted.
    """
    if not table.exists():
        return None
    found = None
    there = path.resolve()
    for line in table.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        mount = Mount(Path(_unescaped(before.split()[4])), after.split()[0])
        deeper = found is None or len(mount.point.parts) >= len(found.point.parts)
        if deeper and there.is_relative_to(mount.point):  # of two at one place the later one covers the other
            found = mount
    return found


def existing(path: Path) -> Path:
    """Return the path, or what is nearest above it and is there already."""
    path = path.resolve()
    return next(place for place in (path, *path.parents) if place.exists())


def _unescaped(name: str) -> str:
    """Return a name whose spaces and the like are written as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), name)
