"""Qdrant's HTTP interface, as far as Akin uses it: paths, statuses, and the shape of answers."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from qdrant_client import models

from tests.qdrant_standin.collections import Collection, Collections
from tests.qdrant_standin.conditions import NotUnderstood

Answer = tuple[int, dict[str, Any] | str]
_NAME = re.compile(r"/collections/([\w-]+)(/[a-z/]+)?")
_OPEN_TO_ALL = ("/", "/healthz", "/livez", "/readyz")

# What a collection is asked, by method and the path below its name; bodies are Qdrant's own models.
_ASKED: dict[tuple[str, str], tuple[type[BaseModel], Callable[[Collection, Any], Any]]] = {
    ("PUT", "/index"): (models.CreateFieldIndex, Collection.create_index),
    ("POST", "/points/delete"): (models.PointIdsList, Collection.delete),
    ("POST", "/points/batch"): (models.UpdateOperations, Collection.batch),
    ("POST", "/points/query"): (models.QueryRequest, Collection.query),
    ("POST", "/points/query/batch"): (models.QueryRequestBatch, Collection.query_batch),
    ("POST", "/points"): (models.PointRequest, Collection.retrieve),
    ("POST", "/points/scroll"): (models.ScrollRequest, Collection.scroll),
    ("POST", "/facet"): (models.FacetRequest, Collection.facet),
    ("POST", "/points/count"): (models.CountRequest, Collection.count),
}


def make_server(
    collections: Collections,
    port: int = 0,
    api_key: str | None = None,
    record: Path | None = None,
    certificate: Path | None = None,
) -> ThreadingHTTPServer:
    """A bound server on loopback, a thread for each connection; `serve_forever` answers.

    `record`: a file that gets every request, a line of JSON each. `certificate`: a PEM file with
    its key, to speak TLS.
    """

    class Handler(_Handler):
        gallery = collections
        key = api_key
        log = record

    server = _Server(("127.0.0.1", port), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet an answer
    gallery: Collections
    key: str | None
    log: Path | None

    def do_any(self) -> None:
        begun = time.perf_counter()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if self.log is not None:
            sent = {"method": self.command, "path": path, "body": json.loads(body or b"null")}
            with self.log.open("a") as file:
                file.write(json.dumps(sent) + "\n")
        status, told = self._refused(path) or self._told(path, body)
        if isinstance(told, dict):
            told = json.dumps({**told, "time": time.perf_counter() - begun})
        self._send(status, told)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_any  # noqa: N815 (the names http.server looks for)

    def log_message(self, *args: object) -> None:
        """Nothing: a server's log is no part of a test."""

    def _send(self, status: int, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        kind = "application/json" if text.startswith("{") else "text/plain; charset=utf-8"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _refused(self, path: str) -> Answer | None:
        given = self.headers.get("api-key")
        if self.key is None or path in _OPEN_TO_ALL or given == self.key:
            return None
        if given is None:
            return 401, "Must provide an API key or an Authorization bearer token"
        return 401, "Invalid API key or JWT"

    def _told(self, path: str, body: bytes) -> Answer:
        """The answer; what the engine refuses comes as 400 with the engine's own words."""
        try:
            return self._answer(path, body)
        except KeyError as error:
            return _error(404, f"Not found: Collection `{error.args[0]}` doesn't exist!")
        except (ValidationError, json.JSONDecodeError) as error:
            return _error(400, f"Format error in JSON body: {error}")
        except NotUnderstood as error:
            return _error(HTTPStatus.NOT_IMPLEMENTED, f"The stand-in does not know {error}")
        except Exception as error:  # noqa: BLE001 (the engine raises nothing narrower)
            return _error(400, f"Wrong input: {error}")

    def _answer(self, path: str, body: bytes) -> Answer:
        if path in _OPEN_TO_ALL:
            return 200, "all shards are ready"
        if (self.command, path) == ("GET", "/collections"):
            names = [{"name": name} for name in self.gallery.names()]
            return _ok({"collections": names})
        found = _NAME.fullmatch(path)
        if found is None:
            return 404, ""
        name, below = found[1], found[2] or ""
        return self._of_all(name, body) if not below else self._of_one(name, below, body)

    def _of_all(self, name: str, body: bytes) -> Answer:
        match self.command:
            case "GET":
                return _ok(self.gallery.ask(name, Collection.info))
            case "PATCH":
                change = models.UpdateCollection.model_validate_json(body)
                return _ok(self.gallery.ask(name, lambda collection: collection.change(change)))
            case "DELETE":
                return _ok(self.gallery.drop(name))
            case "PUT":
                asked = models.CreateCollection.model_validate_json(body)
                if not self.gallery.create(name, asked):
                    return _error(409, f"Wrong input: Collection `{name}` already exists!")
                return _ok(True)
        return 405, ""

    def _of_one(self, name: str, below: str, body: bytes) -> Answer:
        if (self.command, below) == ("PUT", "/points"):
            points = json.loads(body)["points"]  # unchecked: the models take long over many vectors
            return _ok(self.gallery.ask(name, lambda collection: collection.upsert(points)))
        if (self.command, below) not in _ASKED:
            return 404, ""
        model, method = _ASKED[self.command, below]
        asked = model.model_validate_json(body)
        return _ok(self.gallery.ask(name, lambda collection: method(collection, asked)))


def _ok(result: Any) -> Answer:
    return 200, {"result": result, "status": "ok"}


def _error(status: int, text: str) -> Answer:
    return status, {"status": {"error": text}}
