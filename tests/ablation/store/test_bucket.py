"""The encoder in a bucket, behind a real S3 server; credentials come from the environment."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from ablation.store import storage as storage_module
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage, StorageUnavailableError
from t1t2core.errors import InputError
from t1t2core.network.weights import pack_weights
from tests.builders.heads import TINY
from tests.builders.pretrained import RECIPE, RESULTS, weights_of
from tests.builders.s3 import OWNER, READER, address_of, s3_server
from tests.faults.server import Server, free_port

BIG = 8_000_000
"""Bytes: far more than what fits into the buffers on the way."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "data") as started:
        yield started


@pytest.fixture(autouse=True)
def _owner(monkeypatch: pytest.MonkeyPatch) -> None:
    become(OWNER, monkeypatch)


def become(user: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", user[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", user[1])


@pytest.fixture
def store(server: Server) -> EncoderStore:
    return EncoderStore(Storage(address_of(server.port)))


def test_a_published_encoder_is_found_and_fetched_by_another_machine(
    server: Server, store: EncoderStore
) -> None:
    weights = weights_of(0)
    digest = store.publish(weights, RECIPE, RESULTS)
    elsewhere = EncoderStore(Storage(address_of(server.port)))
    assert elsewhere.find(RECIPE) == digest == hashlib.sha256(pack_weights(weights)).hexdigest()
    fetched = elsewhere.fetch(digest, TINY).weights
    assert all(torch.equal(fetched[name], tensor) for name, tensor in weights.items())


def test_storage_in_a_bucket_works_like_a_folder(server: Server) -> None:
    storage = Storage(address_of(server.port, "bucket/deep/folder"))
    storage.check()
    storage.write("a/one", b"1")
    storage.write("a/one", b"2")
    storage.write("a/b/two", b"3")
    assert storage.read("a/one") == b"2"
    assert (storage.names("a"), storage.folders("a")) == (["a/one"], ["b"])
    storage.delete("a/one")
    storage.delete("a/one")
    assert not storage.has("a/one")
    with pytest.raises(FileNotFoundError):
        storage.read("a/one")


def test_a_bucket_that_is_not_there_is_refused(server: Server) -> None:
    with pytest.raises(InputError, match=r"storage s3://nowhere\?.* cannot be used: .*nowhere"):
        Storage(address_of(server.port, "nowhere")).check()


def test_who_may_only_read_is_refused_before_anything_is_spent(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(READER, monkeypatch)
    with pytest.raises(InputError, match=r"cannot be used: .*ACCESS_DENIED"):
        Storage(address_of(server.port)).check()


def test_a_wrong_secret_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    become((OWNER[0], "guessed"), monkeypatch)
    with pytest.raises(InputError, match="cannot be used") as caught:
        Storage(address_of(server.port)).check()
    assert "guessed" not in str(caught.value)


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-7], lambda content: content[:-1] + bytes([content[-1] ^ 1])]
)
def test_an_object_that_is_not_what_was_published_is_refused(
    store: EncoderStore, damage: Callable[[bytes], bytes]
) -> None:
    digest = store.publish(weights_of(1), RECIPE, RESULTS)
    name = f"encoders/{digest}.safetensors"
    store.storage.write(name, damage(store.storage.read(name)))
    with pytest.raises(InputError, match=f"encoder {digest} in s3://.* is damaged: its content has digest"):
        store.fetch(digest, TINY)


@pytest.mark.exhaustive  # test_storages.py has a bucket that comes back
def test_a_server_that_goes_in_mid_fetch_and_comes_back_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "FIRST_PAUSE_SECONDS", 0.1)
    with s3_server(tmp_path / "data") as server, _way_to(server) as way:
        content = bytes(torch.randint(0, 256, (BIG,), dtype=torch.uint8).numpy())
        Storage(address_of(server.port)).write("big", content)
        way.after(BIG // 4, lambda: (server.kill(), server.start()))
        assert Storage(address_of(way.port)).read("big") == content
        assert way.broken


def test_a_server_that_goes_in_mid_fetch_and_stays_away_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(storage_module, "PATIENCE_SECONDS", 1.0)
    with s3_server(tmp_path / "data") as server, _way_to(server) as way:
        Storage(address_of(server.port)).write("big", bytes(BIG))
        way.after(BIG // 4, server.kill)
        with pytest.raises(StorageUnavailableError, match="has not answered for 1 s"):
            Storage(address_of(way.port)).read("big")
        assert way.broken


@pytest.fixture
def strict() -> Iterator[tuple[int, list[str]]]:
    """Port and log of a server that answers 411 unless an upload is one request that tells its length."""
    requests: list[str] = []
    objects: dict[str, bytes] = {}

    class Strict(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, status: int, content: bytes = b"") -> None:
            requests.append(f"{self.command} {status}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else content)

        def do_PUT(self) -> None:
            length = self.headers.get("Content-Length")
            if length is None:
                self.close_connection = True
                return self._answer(411)
            objects[self.path] = self.rfile.read(int(length))
            return self._answer(200)

        def do_POST(self) -> None:
            self._answer(411)

        def do_GET(self) -> None:
            there = self.path in objects
            self._answer(200 if there else 404, objects.get(self.path, b""))

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            objects.pop(self.path, None)
            self._answer(204)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Strict) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, requests
        server.shutdown()


def test_a_server_that_wants_the_length_of_an_upload_is_told_it(strict: tuple[int, list[str]]) -> None:
    port, _ = strict
    program = f"from ablation.store.storage import Storage; Storage({address_of(port)!r}).check()"

    def check(**environment: str) -> str:
        """In a process of its own: Amazon's library looks at the environment once."""
        others = {**os.environ, **environment}
        ended = subprocess.run([sys.executable, "-c", program], env=others, capture_output=True, text=True)
        return ended.stderr

    assert "411" in (refused := check())
    assert "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required" in refused
    assert check(AWS_REQUEST_CHECKSUM_CALCULATION="when_required") == ""


def test_a_small_object_is_one_request(
    strict: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, requests = strict
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    Storage(address_of(port)).write("a/one", b"1")
    assert requests == ["PUT 200"]


class _Way:
    """Carries bytes between clients and a server until something is to happen to the server."""

    def __init__(self, server: Server) -> None:
        self.port = free_port()
        self.broken = False
        self._server = server
        self._happens: tuple[int, Callable[[], object]] | None = None
        self._door = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._welcome, daemon=True).start()

    def after(self, passed: int, happens: Callable[[], object]) -> None:
        """Once, when so many bytes of an answer have passed."""
        self._happens = (passed, happens)

    def close(self) -> None:
        self._door.close()

    def _welcome(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._server.port)) as server:
            threading.Thread(target=self._there, args=(client, server), daemon=True).start()
            passed = 0
            while part := server.recv(65_536):
                passed += len(part)
                if self._happens and passed > self._happens[0]:
                    happens, self._happens = self._happens[1], None
                    happens()
                    self.broken = True
                    return
                client.sendall(part)

    def _there(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while part := client.recv(65_536):
                server.sendall(part)


@contextmanager
def _way_to(server: Server) -> Iterator[_Way]:
    way = _Way(server)
    try:
        yield way
    finally:
        way.close()
