"""How every command speaks: results on standard output, progress and remarks on standard error."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from backend.client import AkinClient
from backend.settings import read_settings

out = Console()
err = Console(stderr=True)

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="AKIN_URL", help="The server; this machine's by default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def connect(url: str | None) -> AkinClient:
    """A client of the named server, or of this machine's."""
    return AkinClient(url or read_settings().api_url)


def print_json(value: BaseModel | Any) -> None:
    """One JSON document on standard output."""
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def progress() -> Progress:
    """A progress display on standard error that leaves its finished bars standing."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=36),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=err,
    )
