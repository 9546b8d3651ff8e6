"""Connections passed on to a server whose place may change, past a gate that wants a token."""

import hmac
import logging
import socket
import socketserver
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
"""That another machine has to take a connection; an address where nobody is may swallow it for minutes."""
CHUNK = 1 << 16
LOOPBACK = "127.0.0.1"


class _Passing(ABC, socketserver.ThreadingTCPServer):
    """A server that passes every connection on to another, byte by byte, in threads of its own."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, host: str) -> None:
        super().__init__((host, 0), socketserver.BaseRequestHandler)
        threading.Thread(target=self.serve_forever, name=type(self).__name__, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def stop(self) -> None:
        """Take no more connections."""
        self.shutdown()
        self.server_close()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Pass one connection on, until one side has ended it."""
        try:
            with self.onwards(request) as other:
                back = threading.Thread(target=_copy, args=(other, request), daemon=True)
                back.start()
                _copy(request, other)
                back.join()
        except OSError as error:
            log.debug("a connection to the record was ended: %s", error)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever has connected sees that the connection is over."""

    @abstractmethod
    def onwards(self, request: socket.socket) -> socket.socket:
        """Return the connection that one is passed on to; OSError where there is none."""


class Gate(_Passing):
    """Lets other machines reach a server of this one, if they begin with the token.

    Args:
        port: of the server, on the loopback address.
    """

    def __init__(self, port: int, token: str) -> None:
        self._to, self._token = port, token.encode() + b"\n"
        super().__init__("")

    def onwards(self, request: socket.socket) -> socket.socket:
        """Return a connection to the server; PermissionError without the token."""
        request.settimeout(CONNECT_SECONDS)
        given = b""
        while len(given) < len(self._token) and (more := request.recv(len(self._token) - len(given))):
            given += more
        if not hmac.compare_digest(given, self._token):
            raise PermissionError("a connection without the token")
        request.settimeout(None)
        return socket.create_connection((LOOPBACK, self._to), CONNECT_SECONDS)


class Relay(_Passing):
    """An address of this machine alone that leads to a gate, wherever that is just now.

    Args:
        find: gives the gate's machines to try, its port and its token; None while there is no gate.
    """

    def __init__(self, find: Callable[[], tuple[list[str], int, str] | None]) -> None:
        self._find = find
        super().__init__(LOOPBACK)

    @property
    def address(self) -> str:
        """As the address of an HTTP server."""
        return f"http://{LOOPBACK}:{self.port}"

    def onwards(self, request: socket.socket) -> socket.socket:
        """Return a connection past the gate."""
        if (found := self._find()) is None:
            raise ConnectionRefusedError("nobody serves the record just now")
        hosts, port, token = found
        for host in hosts:
            try:
                gate = socket.create_connection((host, port), CONNECT_SECONDS)
            except OSError:
                continue
            gate.sendall(token.encode() + b"\n")
            return gate
        raise ConnectionRefusedError(f"{', '.join(hosts)} cannot be reached at port {port}")


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy what comes until it ends, and then tell the other side so."""
    try:
        source.settimeout(None)
        while data := source.recv(CHUNK):
            target.sendall(data)
    except OSError:
        pass
    finally:
        for each, side in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
            with suppress(OSError):  # it is over already
                each.shutdown(side)
