"""The connection to a Qdrant server: one client, whose failures come out as sentences."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from backend.errors import SetupError, Unavailable
from backend.gallery.filters import Kind
from backend.gallery.layout import Access

LOCAL = ":memory:"
_SCHEMAS: dict[Kind, models.PayloadSchemaType] = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.PayloadSchemaType.INTEGER,
    "float": models.PayloadSchemaType.FLOAT,
    "bool": models.PayloadSchemaType.BOOL,
}


class Connection:
    """A client for a server, or the local mode when `url` is `:memory:`."""

    def __init__(self, url: str, access: Access | None = None) -> None:
        self.url = url
        self.is_local = url == LOCAL
        self._turn: AbstractContextManager[object] = (
            threading.RLock() if self.is_local else nullcontext()
        )
        self._client = QdrantClient(LOCAL) if self.is_local else _remote(url, access or Access())

    @contextmanager
    def client(self) -> Iterator[QdrantClient]:
        """The client, for one call; raises `Unavailable`, or `SetupError` for a refused key."""
        try:
            with self._turn:
                yield self._client
        except ResponseHandlingException as error:
            raise Unavailable(
                f"The Qdrant server at {self.url} does not answer ({error}): start it, or set "
                "AKIN_GALLERY_URL."
            ) from error
        except UnexpectedResponse as error:
            raise self._refusal(error) from error

    def create_index(self, collection: str, path: str, kind: Kind) -> None:
        """Index a payload field; again changes nothing. The local mode has no indexes."""
        if not self.is_local:
            with self.client() as client:
                client.create_payload_index(collection, path, _SCHEMAS[kind], wait=True)

    def close(self) -> None:
        self._client.close()

    def _refusal(self, error: UnexpectedResponse) -> SetupError | Unavailable:
        if error.status_code in (401, 403):
            return SetupError(
                f"The Qdrant server at {self.url} refuses the API key: set AKIN_GALLERY_API_KEY."
            )
        return Unavailable(
            f"The Qdrant server at {self.url} answered {error.status_code} "
            f"({error.reason_phrase or 'no reason'}): read its log, then try again."
        )


def _remote(url: str, access: Access) -> QdrantClient:
    verify: dict[str, Any] = {}
    if access.ca_file is not None:
        try:
            verify["verify"] = ssl.create_default_context(cafile=access.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SetupError(
                f"{access.ca_file} cannot be read as certificates ({error}): set "
                "AKIN_GALLERY_CA_FILE to a file in PEM format."
            ) from error
    return QdrantClient(
        url=url,
        api_key=access.api_key,
        timeout=access.timeout,
        check_compatibility=False,
        **verify,
    )
