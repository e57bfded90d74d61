"""One HTTP connection to a running server: what every call of the client goes through."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel

from backend.errors import AkinError, Unavailable
from backend.paging import Page

Model = TypeVar("Model", bound=BaseModel)


class ApiError(AkinError):
    """A failure the server told in a problem document."""

    def __init__(self, sentence: str, status: int, code: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


def _authorities(url: str) -> ssl.SSLContext | bool:
    """Whose certificates are believed: the usual ones; none where nothing is encrypted, as reading
    them all takes longer than many an answer."""
    return True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Transport:
    """Sends requests; a refusal is raised as `ApiError`, silence as `Unavailable`.

    token: of a login, or a key, where accounts are on. address: of whom it speaks for, so that what
    they do is counted as theirs; the server has to trust this machine as it does a proxy.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 60,
        http: httpx.Client | None = None,
        token: str | None = None,
        address: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if address is not None:
            headers["X-Forwarded-For"] = address
        self._http = http or httpx.Client(
            base_url=self.url, timeout=timeout, headers=headers, verify=_authorities(self.url)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    def _page(self, kind: type[Model], path: str, /, **query: str | int | None) -> Page[Model]:
        given = {key: value for key, value in query.items() if value is not None}
        answer = self._send("GET", path, params=given)
        return Page[kind].model_validate(answer)  # type: ignore[valid-type]

    def _get(self, model: type[Model], path: str, **query: str) -> Model:
        return model.model_validate(self._send("GET", path, params=query))

    def _if_there(self, model: type[Model], path: str) -> Model | None:
        """The same, or None where the answer is that there is none."""
        try:
            return self._get(model, path)
        except ApiError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def _post(self, model: type[Model], path: str, body: BaseModel) -> Model:
        return model.model_validate(self._send("POST", path, json=body.model_dump(mode="json")))

    def _post_with_picture(
        self,
        model: type[Model],
        path: str,
        body: BaseModel,
        image: bytes | None,
        name: str,
        *,
        part: str = "request",
    ) -> Model:
        """The same; where a picture comes with it, as the `part` of a form sent to /upload."""
        if image is None:
            return self._post(model, path, body)
        form = {part: body.model_dump_json()}
        answer = self._send("POST", f"{path}/upload", data=form, files={"image": (name, image)})
        return model.model_validate(answer)

    def _send(self, method: str, path: str, **options: Any) -> Any:
        answer = self._request(method, path, **options)
        return None if answer.status_code == httpx.codes.NO_CONTENT else answer.json()

    def _raw(self, path: str) -> bytes:
        return self._request("GET", path).content

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self._no_answer() from error
        _raise_for_problem(answer)
        return answer

    def _chunks(self, path: str, **query: Any) -> Iterator[bytes]:
        with self._stream(path, query) as answer:
            yield from answer.iter_bytes()

    def _lines(self, path: str, **query: Any) -> Iterator[str]:
        with self._stream(path, query) as answer:
            yield from answer.iter_lines()

    @contextmanager
    def _stream(
        self, path: str, query: Mapping[str, Any], **options: Any
    ) -> Iterator[httpx.Response]:
        """A streamed answer whose problems are raised like any other's."""
        has_begun = False
        try:
            with self._http.stream("GET", path, params=query, **options) as answer:
                if answer.is_error:
                    answer.read()
                    _raise_for_problem(answer)
                has_begun = True
                yield answer
        except httpx.TransportError as error:
            raise (self._broken_off() if has_begun else self._no_answer()) from error

    def _no_answer(self) -> Unavailable:
        return Unavailable(
            f"No Akin server answers at {self.url}: start one with `akin up`, or name another "
            "with --url or AKIN_URL."
        )

    def _broken_off(self) -> Unavailable:
        return Unavailable(
            f"The answer of the Akin server at {self.url} broke off in the middle: its log says "
            "why; then try again."
        )


def read_in_chunks(path: Path, sent: Callable[[int], object]) -> Iterator[bytes]:
    """A file piece by piece; `sent` is told the size of each."""
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk
            sent(len(chunk))


def _raise_for_problem(answer: httpx.Response) -> None:
    if not answer.is_error:
        return
    try:
        problem: Mapping[str, Any] = answer.json()
        sentence, code = str(problem["detail"]), str(problem.get("code", "error"))
    except (ValueError, KeyError, TypeError):
        sentence = f"The server answered {answer.status_code} without saying why: see its log."
        code = "error"
    raise ApiError(sentence, answer.status_code, code)
