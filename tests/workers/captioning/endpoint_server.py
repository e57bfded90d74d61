"""A small real HTTP server that answers as a vision endpoint does, or as one that is in trouble."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Question:
    """What was asked: the path, the headers, the body, and the picture in it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][0]["content"][0]["text"])

    @property
    def image(self) -> Image.Image:
        url = self.body["messages"][0]["content"][1]["image_url"]["url"]
        head, data = url.split(",")
        assert head == "data:image/jpeg;base64"
        return Image.open(io.BytesIO(base64.b64decode(data)))

    @property
    def red(self) -> int:
        """The pictures of these tests differ in how red they are."""
        pixel = self.image.convert("RGB").getpixel((0, 0))
        assert isinstance(pixel, tuple)
        return int(pixel[0])


@dataclass
class Endpoint:
    """answer: what to reply to a question, given how many came before it."""

    url: str
    answer: Callable[[Question, int], Reply] = field(default=lambda q, n: told(f"red {q.red}"))
    questions: list[Question] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def told(text: Any, tokens: int | None = 100) -> Reply:
    """A chat completion."""
    usage = {} if tokens is None else {"usage": {"total_tokens": tokens}}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    return 200, {}, json.dumps({"choices": [choice], **usage}).encode()


def failing(status: int, message: str = "", **headers: str) -> Reply:
    """An error in OpenAI's form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, json.dumps({"error": {"message": message}}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def serving() -> Iterator[Endpoint]:
    """An endpoint on loopback, for as long as the block lasts."""
    server = _Server(("127.0.0.1", 0), _handler_of(lambda: endpoint))
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()


def _handler_of(found: Callable[[], Endpoint]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            endpoint = found()
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            question = Question(self.path, dict(self.headers.items()), body)
            with endpoint.lock:
                before = len(endpoint.questions)
                endpoint.questions.append(question)
                endpoint.at_once += 1
                endpoint.most_at_once = max(endpoint.most_at_once, endpoint.at_once)
            try:
                status, headers, data = endpoint.answer(question, before)
            finally:
                with endpoint.lock:
                    endpoint.at_once -= 1
            if status == 0:  # hang up without a word
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in ({"content-length": str(len(data))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    return Handler
