"""Connections reach a server that changes its place, and only with its token."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from ablation.record.relay import Gate, Relay


class Echo(socketserver.StreamRequestHandler):
    """Answers a line with the server's name and the line."""

    def handle(self) -> None:
        line = self.rfile.readline()
        self.wfile.write(self.server.name + b": " + line)  # type: ignore[attr-defined]


@pytest.fixture
def gates() -> Iterator[list[Gate]]:
    """Two servers of one machine, each behind a gate with a token of its own."""
    servers, gates = [], []
    for name in (b"first", b"second"):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
        server.name = name  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        gates.append(Gate(server.server_address[1], f"token of the {name.decode()}"))
    yield gates
    for each in (*gates, *servers):
        each.shutdown()
        each.server_close()


def ask(port: int, line: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(5)
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while more := connection.recv(1000):
            answer += more
        return answer


def test_a_relay_leads_to_where_the_server_is_now(gates: list[Gate]) -> None:
    place: list[tuple[list[str], int, str] | None] = [(["127.0.0.1"], gates[0].port, "token of the first")]
    relay = Relay(lambda: place[-1])
    assert ask(relay.port, b"hello\n") == b"first: hello\n"
    place.append((["no.such.host.invalid", "127.0.0.1"], gates[1].port, "token of the second"))
    assert ask(relay.port, b"hello\n") == b"second: hello\n"
    place.append(None)
    with pytest.raises((OSError, AssertionError)):
        assert ask(relay.port, b"hello\n")
    place.append((["127.0.0.1"], gates[0].port, "token of the first"))
    assert ask(relay.port, b"x" * 1_000_000 + b"\n").endswith(b"x\n"), "long ones as a whole"
    relay.stop()


@pytest.mark.parametrize("given", [b"", b"token of the second\n", b"GET / HTTP/1.1\r\n\r\n", b"token of the"])
def test_without_its_token_nobody_passes_a_gate(gates: list[Gate], given: bytes) -> None:
    with suppress(OSError):  # refused in the middle of the line
        assert ask(gates[0].port, given + b"hello\n") == b""
