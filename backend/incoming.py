"""The body of a request as it arrives, for what is too large to be held in memory."""

from __future__ import annotations

from collections.abc import Iterator

from anyio import fail_after, from_thread
from fastapi import Request

from backend.errors import TooSlow


def incoming(request: Request, silence: float) -> Iterator[bytes]:
    """The pieces of a body, to be read in a thread that anyio started.

    Raises TooSlow where nothing comes for `silence` seconds.
    """
    stream = request.stream()

    async def next_chunk() -> bytes:
        try:
            with fail_after(silence):
                return await anext(stream, b"")
        except TimeoutError as error:
            raise TooSlow(
                f"Nothing came of the file for {silence:g} seconds, so it was given up: send it "
                "again."
            ) from error

    while chunk := from_thread.run(next_chunk):
        yield chunk
