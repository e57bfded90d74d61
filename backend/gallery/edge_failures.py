"""How Qdrant Edge fails: by a plain `Exception`, or by a panic, which its Python binding raises as
a `BaseException` that no `except Exception` sees and that would end the thread it comes up in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from backend.errors import AkinError, Unavailable

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


def reading(path: Path) -> AbstractContextManager[None]:
    """Raises `Unavailable` for what fails while the shard at `path` is read."""
    return engine_failures(
        lambda reason: Unavailable(
            f"Gallery '{path.name}' cannot be read ({reason[:300]}): try again; if it stays so, "
            f"stop Akin and delete {path.parent.name}/{path.name} in its data folder: the next "
            "start embeds the catalogue anew."
        )
    )


def writing(path: Path) -> AbstractContextManager[None]:
    """Raises `Unavailable` for what fails while the shard at `path` is written."""
    return engine_failures(
        lambda reason: Unavailable(
            f"Gallery '{path.name}' cannot be written ({reason[:300]}): look at its disk, then try "
            "again; what was written before is kept."
        )
    )
