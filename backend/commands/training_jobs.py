"""`akin models train`: a training job of a running server."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError
from rich.table import Table

from backend.client import AkinClient
from backend.commands.sending import watch
from backend.commands.terminal import AsJson, Url, connect, err, out, print_json, progress
from backend.errors import InvalidInput
from backend.jobs.schemas import JobOut
from backend.registry.schemas import VersionOut
from backend.training.schemas import TrainRequest

CATALOGUE = ("triplets", "images", "titles")
_WAYS = {
    "composed": "this version",
    "active": "the active one",
    "image": "picture alone",
    "text": "words alone",
}


def train(
    recipe: Annotated[str, typer.Argument(help="The training method.")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="triplets, images or titles of the catalogue, or a dataset folder on the server.",
        ),
    ],
    given: Annotated[
        list[str] | None, typer.Option("--set", help="An option as name=value; repeatable.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Options for a size of data or GPU.")] = None,
    splits: Annotated[
        list[str] | None,
        typer.Option("--split", help="Triplets of this split; repeatable. By default train, val."),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", help="Triplets of feedback, import or spn-positives; repeatable."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the version is called.")] = None,
    parent: Annotated[
        str | None, typer.Option(help="The version to start from; the active one by default.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None, typer.Option(help="The server's own by default.")
    ] = None,
    watching: Annotated[
        bool, typer.Option("--watch", help="Follow it until it is finished.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Train a model version on the server: a job, which goes on if this command is stopped."""
    request = _request(
        recipe=recipe,
        parameters=dict(_option(one) for one in given or []),
        preset=preset,
        data=_data(source, splits, sources),
        name=name,
        parent=parent,
        device=device,
    )
    with connect(url) as client:
        job = client.train(request)
        if watching:
            with progress() as bars:
                job = watch(client, job.id, bars, "Preparing")
        _tell(client, job, as_json=as_json, watching=watching)
    if job.state == "failed":
        raise typer.Exit(1)


def _option(text: str) -> tuple[str, str | None]:
    name, found, value = text.partition("=")
    if not found:
        raise InvalidInput(f'"{text}" sets nothing: write an option as name=value.')
    return name.strip(), None if value.strip() == "none" else value.strip()


def _data(source: str, splits: list[str] | None, sources: list[str] | None) -> dict[str, Any]:
    if source not in CATALOGUE:
        return {"kind": "folder", "path": source}
    given = {"splits": splits, "sources": sources}
    return {"kind": source, **{key: value for key, value in given.items() if value}}


def _request(**given: Any) -> TrainRequest:
    try:
        return TrainRequest.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{where} does not fit: {first['msg'].lower()}.") from error


def _tell(client: AkinClient, job: JobOut, *, as_json: bool, watching: bool) -> None:
    version = client.version(str(job.result["version"])) if job.state == "done" else None
    if as_json:
        print_json({"job": job.model_dump(mode="json"), "version": version and _facts(version)})
        return
    if not watching:
        out.print(f"Follow it with: akin jobs watch {job.id}", soft_wrap=True, highlight=False)
        return
    for line in client.training_log(job.id).lines:
        err.print(line.text, markup=False, highlight=False, soft_wrap=True)
    if version is None:
        told = job.error or f"The job is {job.state}."
        err.print(told, style="red", markup=False, soft_wrap=True)
        return
    out.print(f"{version.name} is ready.", markup=False, highlight=False)
    if "held_out" in version.figures:
        out.print(figures_table(version.figures["held_out"]))


def _facts(version: VersionOut) -> dict[str, Any]:
    return version.model_dump(mode="json")


def figures_table(found: dict[str, Any]) -> Table:
    """The figures with their 95 % intervals."""
    metrics = list(found["ways"]["composed"])
    table = Table(f"{found['triplets']:,} held-out triplets", *metrics)
    for way, label in _WAYS.items():
        figures = found["ways"].get(way, {})
        table.add_row(label, *(told_figure(figures.get(metric)) for metric in metrics))
    return table


def told_figure(figure: list[float] | None) -> str:
    """A figure with its interval."""
    return "" if figure is None else "{:.1f} ({:.1f}-{:.1f})".format(*figure)
