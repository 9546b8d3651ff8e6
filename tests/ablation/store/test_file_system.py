"""Where a folder lies, by the kernel's own list of what is mounted."""

from pathlib import Path

import pytest

from ablation.store.file_system import MOUNTS, existing, mount_of

TABLE = """\
22 1 252:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
41 22 0:35 / /data rw,relatime shared:20 - nfs4 server:/data rw,vers=4.2,hard
43 41 0:37 / /data rw - xfs /dev/vdb rw
44 22 0:38 / /mnt/two\\040words rw master:7 - fuse.sshfs me@host:/ rw
45 22 0:39 / /mnt/scratch rw - beegfs beegfs_nodev rw
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(TABLE, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("path", "point", "kind", "is_network"),
    [
        ("/home/me", "/", "ext4", False),
        ("/data/runs/mlflow.db", "/data", "xfs", False),
        ("/database", "/", "ext4", False),
        ("/mnt/two words/runs", "/mnt/two words", "fuse.sshfs", True),
        ("/mnt/scratch", "/mnt/scratch", "beegfs", True),
    ],
)
def test_the_deepest_mount_counts_and_of_two_at_one_place_the_later(
    table: Path, path: str, point: str, kind: str, is_network: bool
) -> None:
    mount = mount_of(Path(path), table)
    assert mount is not None
    assert (str(mount.point), mount.kind, mount.is_network) == (point, kind, is_network)


@pytest.mark.skipif(not MOUNTS.exists(), reason="not Linux")
def test_this_systems_own_list_is_read() -> None:
    mount = mount_of(Path("/proc/self"))
    assert mount is not None
    assert (mount.kind, mount.is_network) == ("proc", False)


def test_a_system_without_a_list_tells_nothing(tmp_path: Path) -> None:
    assert mount_of(tmp_path, tmp_path / "none") is None


def test_what_is_there_already_of_a_path(tmp_path: Path) -> None:
    assert existing(tmp_path / "a" / "b") == existing(tmp_path) == tmp_path.resolve()
