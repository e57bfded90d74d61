"""How every command speaks: results on standard output, progress and remarks on standard error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.text import Text

from backend.client import AkinClient
from backend.logins import token_for
from backend.settings import read_settings

_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]")


class SafeConsole(Console):
    """Shows texts of strangers (titles, names of columns) without obeying them: what a terminal
    would take for a command comes out as a sign for it."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(_CONTROLS.sub("\ufffd", text), **options)


out = SafeConsole()
err = SafeConsole(stderr=True)

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="AKIN_URL", help="The server; this machine's by default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def connect(url: str | None) -> AkinClient:
    """A client of the named server, or of this machine's, with the token of the login there."""
    where = address_of(url)
    return AkinClient(where, token=token_for(where))


def address_of(url: str | None) -> str:
    """The URL of the named server, or of this machine's."""
    return (url or read_settings().api_url).rstrip("/")


def print_json(value: BaseModel | Any) -> None:
    """One JSON document on standard output."""
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def progress() -> Progress:
    """A progress display on standard error that leaves its finished bars standing.

    A task may have the fields `size` (true where it counts bytes), and `rate` and `left`, the
    items a second and the seconds left as the server tells them.
    """
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=36),
        _Count(),
        _Rate(),
        _Left(),
        console=err,
    )


def stages(bars: Progress) -> Callable[[str, int, int], None]:
    """What long work tells its stages to: a bar each, from when it is first told of."""
    tasks: dict[str, TaskID] = {}

    def step(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what[:1].upper() + what[1:], total=total)
        bars.update(tasks[what], completed=done, total=total)

    return step


class _Count(ProgressColumn):
    """`480/1,500`, or `3.2 MB of 1.1 GB`."""

    def render(self, task: Task) -> Text:
        done, total = int(task.completed), task.total
        if task.fields.get("size"):
            return Text(f"{decimal(done)} of {decimal(int(total or 0))}", "progress.download")
        text = f"{done:,}/{'?' if total is None else f'{int(total):,}'}"
        return Text(text, "progress.download")


class _Rate(ProgressColumn):
    """Items or bytes a second just now; of a finished task, over all of its time."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed if task.finished else task.fields.get("rate") or task.speed
        if not rate:
            return Text("")
        shown = f"{decimal(int(rate))}/s" if task.fields.get("size") else f"{rate:,.1f}/s"
        return Text(shown, "progress.data.speed")


class _Left(ProgressColumn):
    """The time left; of a finished task, the time it took."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"in {_clock(task.finished_time or 0)}", "progress.elapsed")
        left = task.fields.get("left") or task.time_remaining
        return Text("" if left is None else f"{_clock(left)} left", "progress.remaining")


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
