"""An S3-like server in this process: moto's, which keeps its buckets from one start to the next."""

from __future__ import annotations

import logging
import urllib.request

from tests.tuner.support.ports import free_ports

KEYS = {
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip


class Server:
    """Listens on loopback while it is entered; all in one process have the same buckets."""

    def __init__(self) -> None:
        self.port = free_ports(1)[0]

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, again on the same port."""
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        """Connections are refused from now on."""
        self._server.stop()

    def bucket(self, name: str, path: str) -> str:
        """SearcherFactory a bucket; the URI of a path in it."""
        made = urllib.request.Request(f"http://127.0.0.1:{self.port}/{name}", method="PUT")
        urllib.request.urlopen(made, timeout=10).close()
        return self.uri(f"{name}/{path}")

    def uri(self, path: str) -> str:
        return f"s3://{path}?endpoint_override=127.0.0.1:{self.port}&scheme=http"
