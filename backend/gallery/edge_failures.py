"""How Qdrant Edge fails: by a plain `Exception`, or by a panic, which its Python binding raises as
a `BaseException` that no `except Exception` sees and that would end the thread it comes up in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backend.errors import AkinError

_PANIC = "PanicException"  # by its name, since the engine gives no class to import


@contextmanager
def engine_failures(tell: Callable[[str], AkinError]) -> Iterator[None]:
    """Raises what `tell` makes of the engine's reason, one line, for any way in which it fails."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise  # such as KeyboardInterrupt
        raise tell(" ".join(str(error).split())) from error
