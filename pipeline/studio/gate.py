"""Let a request through to the studio only if it comes from a page that the studio itself served.

Whoever opens the printed address has the token in it, which is exchanged for a cookie. Other pages
of the same browser have the cookie sent along by no request of theirs (SameSite=Strict), and are
told by Origin and Sec-Fetch-Site; names that were rebound to this machine are told by Host.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 8 * 2**20
"""A mask of a photo is some kB of run lengths; one of noise over 4 megapixels is 8 MB."""

HEADERS = {
    # Nothing but what the studio serves is loaded or asked: a label's name that is markup, should
    # it ever be taken for it, could run nothing and tell nobody.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass
class Entry:
    """What lets a browser in: a token, of use once unless the user chose it, and the cookie."""

    port: int
    token: str | None
    hosts: frozenset[str]  # names that the address may have; empty: any
    keeps: bool = False  # the token stays good
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def cookie(self) -> str:
        """The cookie's name: cookies of one machine are shared by all its ports."""
        return f"vrp-studio-{self.port}"

    def take(self, token: str) -> bool:
        """True if the token is the right one; it is used up."""
        right = self.token is not None and hmac.compare_digest(token.encode(), self.token.encode())
        if right and not self.keeps:
            self.token = None
        return right

    def knows(self, headers: Headers) -> bool:
        """True for a request with the cookie."""
        given = cookie_parser(headers.get("cookie", "")).get(self.cookie, "")
        return hmac.compare_digest(given.encode(), self.secret.encode())


class Gate:
    """An ASGI app before another: refuses, sets the cookie, adds the headers of every answer."""

    def __init__(self, app: ASGIApp, entry: Entry) -> None:
        self._app, self._entry = app, entry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # the server's own start and end; there are no websockets
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        fault = self._foreign(scope["method"], headers)
        entered = not fault and not self._entry.knows(headers) and self._enters(scope)
        if not fault and not entered and not self._entry.knows(headers):
            fault = (
                "this address lets a browser in once; start vrp studio again for another"
                if self._entry.token is None
                else "open the address that vrp studio printed: it ends in ?token="
            )

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                added.update(HEADERS)
                if entered:
                    added.append(
                        "Set-Cookie",
                        f"{self._entry.cookie}={self._entry.secret}; Path=/; HttpOnly; "
                        "SameSite=Strict",
                    )
            await send(message)

        if fault:
            await PlainTextResponse(fault + "\n", 403)(scope, receive, send_on)
            return
        await self._limited(scope, receive, send_on, headers)

    def _foreign(self, method: str, headers: Headers) -> str:
        """Return why a request cannot come from the studio's own page, "" if it can."""
        host = headers.get("host", "")
        name, _, port = host.rpartition(":")
        if self._entry.hosts and (name not in self._entry.hosts or port != str(self._entry.port)):
            return f"a request to the host {host!r:.80}, which the studio is not"
        origin = headers.get("origin")
        if origin != f"http://{host}" and (origin is not None or method not in {"GET", "HEAD"}):
            return f"a request of another page: {origin!r:.80}"
        own = headers.get("sec-fetch-site", "none") in {"same-origin", "none"}
        # A link in another page may lead here, and the address's token decides.
        if not own and headers.get("sec-fetch-mode") != "navigate":
            return "a request of another page"
        return ""

    def _enters(self, scope: Scope) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])
        at_the_door = scope["method"] == "GET" and scope["path"] == "/"
        return at_the_door and self._entry.take(given[0])

    async def _limited(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        """Pass the request on, and refuse a body that is longer than any of ours."""
        refusal = PlainTextResponse(f"more than {MOST_BODY_BYTES} bytes in one request\n", 413)
        promised = headers.get("content-length", "0")
        if not promised.isdecimal() or int(promised) > MOST_BODY_BYTES:
            await refusal(scope, receive, send)
            return
        parts: list[bytes] = []
        more = scope["method"] not in {"GET", "HEAD"}
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the browser has gone
            parts.append(message.get("body", b""))
            if sum(map(len, parts)) > MOST_BODY_BYTES:
                await refusal(scope, receive, send)
                return
            more = message.get("more_body", False)
        whole: Message = {"type": "http.request", "body": b"".join(parts), "more_body": False}
        waiting = [whole]

        async def receive_whole() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, receive_whole, send)
