"""A load balancer in front of API servers, as small as one can be: whoever answers first in the list gets all."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Generator, Sequence

_PORT = 6443


@contextlib.contextmanager
def balancing(address: str, servers: Sequence[str]) -> Generator[None]:
    """Connections to port 6443 of `address`, which is this machine's, go to a server that takes them."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with _first(servers) as there:
                back = threading.Thread(target=_copy, args=(there, self.request))
                back.start()
                _copy(self.request, there)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True
        block_on_close = False

    with Server((address, _PORT), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def _first(servers: Sequence[str]) -> socket.socket:
    for server in servers:
        with contextlib.suppress(OSError):
            taken = socket.create_connection((server, _PORT), timeout=2)
            taken.settimeout(None)
            return taken
    raise ConnectionRefusedError(f"none of {', '.join(servers)} takes connections")


def _copy(here: socket.socket, there: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := here.recv(65536):
            there.sendall(chunk)
    with contextlib.suppress(OSError):
        there.shutdown(socket.SHUT_WR)
