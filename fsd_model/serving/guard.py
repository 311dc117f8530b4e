"""Access: checks Host (against DNS rebinding) and Origin, and adds headers to every answer."""

from __future__ import annotations

import ipaddress
import json
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Guard:
    """Middleware in front of the application.

    A page of another site can make a browser send requests here: under a name of that site that resolves to
    this machine (then the Host is foreign), or directly (then the Origin is). A server on all interfaces also
    accepts the machine's own name and bare addresses, which no name service can redirect.

    Args:
        app: the application.
        host: address of the server.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._hosts = _LOOPBACK | {host.lower()}
        self._everywhere = host in ("0.0.0.0", "::")
        if self._everywhere:
            self._hosts |= {socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with 403."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        fault = self._fault(Headers(scope=scope), scope["method"])
        if fault is None:
            await self._app(scope, receive, guarded)
            return
        body = json.dumps({"error": fault}).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await guarded({"type": "http.response.start", "status": 403, "headers": head})
        await guarded({"type": "http.response.body", "body": body})

    def _fault(self, headers: Headers, method: str) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._knows(host):
            return "this Host is not served; use the address that `fsd-tuner serve` printed"
        foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        if method not in ("GET", "HEAD") and (foreign or headers.get("sec-fetch-site") == "cross-site"):
            return "requests from pages of other sites are not served; use the page of this server"
        return None

    def _knows(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or (self._everywhere and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
