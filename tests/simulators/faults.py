"""What a simulated API does wrong: told request by request, or a share of all by seed.

A simulator installs `faulty(faults)` as a middleware. Faults that any HTTP service knows are carried out
there; those that only one API knows (`Fault.special`) are left to its handlers: see `fault_of(request)`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web
from aiohttp.typedefs import Middleware

Match = Callable[[web.Request], bool]
_PIECES = 8


@dataclass(frozen=True, slots=True)
class Fault:
    """What one request meets instead of, or beside, a good answer. Times are in seconds."""

    name: str
    status: int | None = None
    """None: the good answer's, and its body unless `body` says otherwise."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    done: bool = False
    """The request is carried out before it is answered like that: what it costs or changes, it does."""
    delay: float = 0.0
    """Before the answer begins."""
    hang: float = 0.0
    """So long there is no answer, then the connection ends."""
    cut: bool = False
    """The connection ends in the middle of the body."""
    drip: float = 0.0
    """Between two of the pieces in which the body comes."""
    skew: float = 0.0
    """How far the `Date` of the answer is ahead of the true time."""
    special: bool = False
    """Carried out by the simulator's own handlers."""


_FAULT = web.RequestKey("fault", Fault)
_HTML = b"<html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>"
_PAGE = {"Content-Type": "text/html; charset=utf-8"}

SERVER_ERROR = Fault("500", 500, _PAGE, _HTML)
BAD_GATEWAY = Fault("502", 502, _PAGE, _HTML, done=True)
UNAVAILABLE = Fault("503", 503, _PAGE, _HTML)
GATEWAY_TIMEOUT = Fault("504", 504, _PAGE, _HTML, done=True)
UNAVAILABLE_UNTIL = Fault("503 with Retry-After", 503, {"Retry-After": "1", **_PAGE}, _HTML)
TOO_MANY = Fault("429 with seconds", 429, {"Retry-After": "1"}, b'{"message": "Too Many Requests"}')
TOO_MANY_BARE = Fault("429 without Retry-After", 429, {}, b'{"message": "Too Many Requests"}')
TIMEOUT = Fault("timeout", hang=3.0, done=True)
CLOSED = Fault("closed", hang=0.001)
CUT = Fault("cut body", cut=True)
WRONG_JSON = Fault("wrong JSON", body=b'{"data": {"rateLimit": {"cost": 1, "rema')
NO_JSON = Fault("no JSON", headers=_PAGE, body=_HTML)
DRIP = Fault("slow drip", drip=0.05)
SKEWED_AHEAD = Fault("clock ahead", skew=3 * 3600)
SKEWED_BEHIND = Fault("clock behind", skew=-3 * 3600)

COMMON: tuple[Fault, ...] = (
    SERVER_ERROR,
    BAD_GATEWAY,
    UNAVAILABLE,
    GATEWAY_TIMEOUT,
    UNAVAILABLE_UNTIL,
    TIMEOUT,
    CLOSED,
    CUT,
    WRONG_JSON,
    NO_JSON,
    DRIP,
    SKEWED_AHEAD,
    SKEWED_BEHIND,
)
"""What every HTTP service does now and then. Rate limits differ: each simulator adds its own."""


def too_many_until(seconds: float) -> Fault:
    """A 429 whose Retry-After is a date, so many seconds from now."""
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    return replace(TOO_MANY, name="429 with a date", headers={"Retry-After": moment})


class Faults:
    """What requests meet. Told faults come first, each met once; then a share of the requests, by seed."""

    def __init__(self, *, seed: int = 0, share: float = 0.0, kinds: Sequence[Fault] = COMMON) -> None:
        self.share = share
        """Of the requests, 0 to 1, that meet one of `kinds`; 0 ends it at once."""
        self.kinds = tuple(kinds)
        self.met: Counter[str] = Counter()
        """Fault -> how often it was met."""
        self.requests = 0
        self._told: deque[tuple[Fault, Match | None]] = deque()
        self._rng = random.Random(seed)

    def tell(self, *faults: Fault, match: Match | None = None) -> None:
        """The next requests (that `match`) meet these, one each."""
        self._told.extend((fault, match) for fault in faults)

    @property
    def untold(self) -> int:
        """Faults told that nobody has met yet."""
        return len(self._told)

    def draw(self, request: web.Request) -> Fault | None:
        """What this request meets."""
        self.requests += 1
        found: Fault | None = None
        for place, (fault, match) in enumerate(self._told):
            if match is None or match(request):
                del self._told[place]
                found = fault
                break
        if found is None and self.share and self._rng.random() < self.share:
            found = self._rng.choice(self.kinds)
        if found is not None:
            self.met[found.name] += 1
        return found


def fault_of(request: web.Request) -> Fault | None:
    """The special fault that this request is to meet, if any."""
    return request.get(_FAULT)


def faulty(faults: Faults, *, spares: str = "/_simulator/") -> Middleware:
    """The middleware that carries faults out; paths below `spares` steer the simulator and meet none."""

    @web.middleware
    async def middleware(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith(spares):
            return await handler(request)
        fault = faults.draw(request)
        if fault is None:
            return await handler(request)
        if fault.special:
            request[_FAULT] = fault
            return await handler(request)
        return await _misbehave(request, fault, handler)

    return middleware


async def _misbehave(
    request: web.Request, fault: Fault, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    await asyncio.sleep(fault.delay)
    answer: web.StreamResponse = web.Response(status=fault.status or 200, body=fault.body)
    if fault.done or (fault.status is None and not fault.hang):
        good = await handler(request)
        if fault.status is None and not fault.hang:
            answer = good
    if fault.hang:
        await asyncio.sleep(fault.hang)
        return _hang_up(request, answer)
    if fault.skew:
        moment = datetime.now(UTC) + timedelta(seconds=fault.skew)
        answer.headers["Date"] = format_datetime(moment, usegmt=True)
    if isinstance(answer, web.Response):
        if fault.body is not None:
            answer.body = fault.body
        answer.headers.update(fault.headers)
        if fault.cut or fault.drip:
            return await _in_pieces(request, fault, answer)
    return answer


def _hang_up(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return answer


async def _in_pieces(request: web.Request, fault: Fault, whole: web.Response) -> web.StreamResponse:
    body = whole.body if isinstance(whole.body, bytes) else b""
    answer = web.StreamResponse(status=whole.status, headers=whole.headers)
    answer.content_length = len(body)
    await answer.prepare(request)
    step = max(1, len(body) // _PIECES)
    end = len(body) // 2 if fault.cut else len(body)
    with suppress(ConnectionError):  # whoever asked has given up meanwhile
        for at in range(0, end, step):
            await answer.write(body[at : min(at + step, end)])
            await asyncio.sleep(fault.drip)
        if fault.cut:
            return _hang_up(request, answer)
        await answer.write_eof()
    return answer
