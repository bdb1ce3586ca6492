"""A real HTTP server that embeds by counting words, and misbehaves as it is told.

Its answers are in no order (`index` says which is which, as the protocol has it). Faults are taken one a
request, first come first served; without one it answers well.
"""

from __future__ import annotations

import json
import math
import random
import re
import threading
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What one request meets instead of a good answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """None: the good one."""
    vectors_missing: int = 0
    hangs: bool = False
    """No answer until the server is released."""
    cut: bool = False
    """The connection ends in the middle of the answer."""


def embed_words(text: str, dimension: int) -> list[float]:
    """A unit vector that texts with the same words share: each word has its own few places."""
    vector = [0.0] * dimension
    vector[0] = 0.1 if text.strip() else 0.0  # words must not cancel out
    for word in re.findall(r"\w+", text.lower()):
        seed = zlib.crc32(word.encode())
        for _ in range(3):
            seed = (seed * 1_103_515_245 + 12_345) % 2**31
            vector[seed % dimension] += 1.0 if seed & 1024 else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


class EmbeddingServer:
    """What tests steer and look at. `url` is what comes before /embeddings."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.dimension = 32
        self.api_key: str | None = None
        self.refuses: str | None = None
        """A word that no text may have: such a request gets 400."""
        self.faults: deque[Fault] = deque()
        self.requests: list[dict[str, Any]] = []
        self.released = threading.Event()
        self.arrived = threading.Semaphore(0)

    @property
    def texts(self) -> list[str]:
        """Every text that was asked for, in order."""
        return [text for request in self.requests for text in request["input"]]

    def forget(self) -> None:
        self.requests.clear()

    def answer(self, path: str, authorization: str | None, request: dict[str, Any]) -> Fault:
        """The whole answer, good or not."""
        self.requests.append(request)
        fault = self.faults.popleft() if self.faults else Fault()
        self.arrived.release()
        if fault.hangs:
            self.released.wait(30)
        if path != "/v1/embeddings":
            return _error(404, f"no route {path}")
        if self.api_key is not None and authorization != f"Bearer {self.api_key}":
            return _error(401, f"Incorrect API key provided: {authorization}")
        if self.refuses and any(self.refuses in text for text in request["input"]):
            return _error(400, "This model's maximum context length is 8192 tokens")
        if fault.body is not None or fault.status != 200:
            return fault
        vectors = [
            {"object": "embedding", "index": place, "embedding": embed_words(text, self.dimension)}
            for place, text in enumerate(request["input"])
        ]
        vectors = vectors[: len(vectors) - fault.vectors_missing]
        random.Random(len(vectors)).shuffle(vectors)
        body = {"object": "list", "data": vectors, "model": request["model"]}
        return Fault(200, fault.headers, json.dumps(body).encode(), cut=fault.cut)


def _error(status: int, message: str) -> Fault:
    return Fault(status, body=json.dumps({"error": {"message": message, "type": "invalid"}}).encode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    simulator: EmbeddingServer

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.simulator.answer(self.path, self.headers.get("Authorization"), request)
        body = answer.body or b""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if answer.cut else body)
        if answer.cut:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Silence."""


@contextmanager
def serve_embeddings() -> Iterator[EmbeddingServer]:
    """A server in threads of its own, so that commands may run in this one."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    simulator = EmbeddingServer(server.server_port)
    handler.simulator = simulator  # type: ignore[attr-defined]  # made just above
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield simulator
    finally:
        simulator.released.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
