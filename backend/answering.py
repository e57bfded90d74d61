"""What is done to an answer as it begins: the part that middleware of several kinds share."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Message, Send


def at_start(send: Send, do: Callable[[Message], None]) -> Send:
    """`send`, with `do` called on the message of an answer's status and headers before it goes."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            do(message)
        await send(message)

    return sending
