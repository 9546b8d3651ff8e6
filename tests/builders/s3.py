"""A real S3 server on the loopback address."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow.fs import S3FileSystem

from tests.faults.commands import wait_until
from tests.faults.server import Server, free_port, serving

OWNER = ("owner", "something")
"""Key and secret of who may do all."""
READER = ("reader", "anything")
"""Key and secret of who may only read."""
PORTS = ("master.port", "volume.port", "filer.port")
PORTS += tuple(f"{port}.grpc" for port in (*PORTS, "s3.port"))
"""Of the server's parts, beside that of S3 itself."""
SMALL = ("-volume.max=4", "-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-s3.port.lance=0")


@contextmanager
def s3_server(folder: Path) -> Iterator[Server]:
    """SeaweedFS with its data in `folder`, and in it the empty bucket `bucket`."""
    folder.mkdir()
    users = folder / "s3.json"
    identities = [_identity(*OWNER, "Admin"), _identity(*READER, "Read", "List")]
    users.write_text(json.dumps({"identities": identities}), encoding="utf-8")
    options = [f"-{part}={free_port()}" for part in PORTS]

    def arguments(port: int) -> list[str]:
        program = str(Path(sys.executable).with_name("weed"))
        place = [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={users}"]
        return [program, "server", "-s3", f"-s3.port={port}", *place, *SMALL, *options]

    with serving(arguments, folder / "log") as server:
        wait_until(lambda: server.listens() and _make_bucket(server), "the server makes a bucket")
        yield server


def address_of(port: int, bucket: str = "bucket", user: str = "") -> str:
    """The bucket's URI; without `user` (`KEY:SECRET@`), credentials are taken from the environment."""
    return f"s3://{user}{bucket}?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"


def _identity(key: str, secret: str, *actions: str) -> dict[str, object]:
    return {"name": key, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}


def files_of(server: Server) -> S3FileSystem:
    """All that the server has, as its owner sees it."""
    key, secret = OWNER
    return S3FileSystem(
        access_key=key,
        secret_key=secret,
        endpoint_override=f"127.0.0.1:{server.port}",
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )


def _make_bucket(server: Server) -> bool:
    try:
        files_of(server).create_dir("bucket")
    except OSError:
        return False
    return True
