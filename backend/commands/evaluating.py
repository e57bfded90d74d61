"""`akin evaluate`, `akin score` and `akin submit`: the papers' metrics, without a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from backend.commands.terminal import AsJson, err, out, print_json, progress, stages
from backend.encoding.spec import DEMO
from backend.figures import Evaluation, Figure, Row

GROUPS_SHOWN = 12
"""Categories or aspects that a terminal shows; a report and JSON have them all."""

Step = Callable[[str, int, int], None]
"""Told what is being done, how much of it, and of how much."""


@dataclass(frozen=True)
class EvaluationWanted:
    """What to evaluate, on what, and how. model: an artefact's folder, or `akin-demo`."""

    benchmark: str
    data: Path
    model: str
    protocol: str = "default"
    split: str | None = None
    composer: str | None = None
    prompt: str | None = None
    device: str = "auto"
    cache: Path | None = None
    report: Path | None = None


@dataclass(frozen=True)
class SubmissionWanted:
    """Whose rankings a test server shall have. model: an artefact's folder, or `akin-demo`."""

    benchmark: str
    data: Path
    model: str
    out: Path
    split: str | None = None
    composer: str | None = None
    prompt: str | None = None
    device: str = "auto"
    cache: Path | None = None


Evaluate = Callable[[EvaluationWanted, Step], Evaluation]
Score = Callable[[str, Sequence[Path], Sequence[Path], Sequence[Path]], Evaluation]
Submit = Callable[[SubmissionWanted, Step], list[Path]]

Data = Annotated[Path, typer.Option("--data", help="The dataset's folder.")]
Model = Annotated[str, typer.Option("--model", help=f"A model's folder, or {DEMO}.")]
Split = Annotated[str | None, typer.Option(help="Another split than the usual one.")]
ComposerName = Annotated[
    str | None, typer.Option("--composer", help=f"sum, slerp or product, for {DEMO}.")
]
PromptText = Annotated[
    str | None, typer.Option("--prompt", help='Where pictures are words: "a photo of $ that {}".')
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Cache = Annotated[
    Path | None, typer.Option(help="Where features are kept; a folder of your own by default.")
]


def evaluate_command(run: Evaluate) -> Callable[..., None]:
    """The command, with what opens data and model."""

    def evaluate(
        benchmark: Annotated[
            str,
            typer.Argument(
                help="fashioniq, cirr, circo, genecis, coco, imagenet, wardrobe, catalogue."
            ),
        ],
        data: Data,
        model: Model = DEMO,
        protocol: Annotated[
            str, typer.Option(help="default, or published:METHOD; see docs/evaluation.md.")
        ] = "default",
        split: Split = None,
        composer: ComposerName = None,
        prompt: PromptText = None,
        report: Annotated[
            Path | None, typer.Option("--out", help="An HTML report, with pictures.")
        ] = None,
        device: Device = "auto",
        cache: Cache = None,
        as_json: AsJson = False,
    ) -> None:
        """Measure a model on a benchmark, beside the picture alone and the words alone."""
        wanted = EvaluationWanted(
            benchmark, data, model, protocol, split, composer, prompt, device, cache, report
        )
        with progress() as bars:
            found = run(wanted, stages(bars))
        _show(found, as_json=as_json)
        if report is not None:
            err.print(f"The report is in {report}", markup=False, highlight=False)

    return evaluate


def score_command(run: Score) -> Callable[..., None]:
    """The command, with what reads the files."""

    def score(
        benchmark: Annotated[str, typer.Argument(help="cirr, circo or fashioniq.")],
        annotations: Annotated[
            list[Path], typer.Option(help="The queries with their answers; repeatable.")
        ],
        predictions: Annotated[
            list[Path], typer.Option(help="The ranked lists; repeatable, in the same order.")
        ],
        images: Annotated[
            list[Path] | None, typer.Option(help="The split's list of images; repeatable.")
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        """Measure ranked lists that anyone made, in the servers' formats."""
        _show(run(benchmark, annotations, predictions, images or []), as_json=as_json)

    return score


def submit_command(run: Submit) -> Callable[..., None]:
    """The command, with what opens data and model."""

    def submit(
        benchmark: Annotated[str, typer.Argument(help="cirr or circo.")],
        data: Data,
        folder: Annotated[Path, typer.Option("--out", help="The folder for the files.")],
        model: Model = DEMO,
        split: Split = None,
        composer: ComposerName = None,
        prompt: PromptText = None,
        device: Device = "auto",
        cache: Cache = None,
        as_json: AsJson = False,
    ) -> None:
        """Write the files that a test server takes, checked by its rules."""
        wanted = SubmissionWanted(
            benchmark, data, model, folder, split, composer, prompt, device, cache
        )
        with progress() as bars:
            files = run(wanted, stages(bars))
        if as_json:
            print_json({"files": [str(path) for path in files]})
        else:
            for path in files:
                out.print(str(path), markup=False, highlight=False, soft_wrap=True)

    return submit


def _show(found: Evaluation, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for remark in found.remarks:
        err.print(remark, style="yellow", markup=False, highlight=False)
    for table in tables(found):
        out.print(table)
    left = len(_groups(found)) - GROUPS_SHOWN
    if left > 0:
        out.print(f"{left} more categories: see --json or --out", style="dim")
    out.print(found.rows[0].terms.sentence, markup=False, highlight=False)


def tables(found: Evaluation) -> list[Table]:
    """One table for each of the first groups: a line a metric, a column a way of asking."""
    return [
        _table(group, [row for row in found.rows if row.group == group])
        for group in _groups(found)[:GROUPS_SHOWN]
    ]


def _groups(found: Evaluation) -> list[str]:
    return list(dict.fromkeys(row.group for row in found.rows))


def _table(group: str, rows: Sequence[Row]) -> Table:
    title = f"\n{group}, {rows[0].queries:,} queries"
    table = Table(title=title, title_justify="left", title_style="bold", box=None)
    table.add_column("", min_width=17)
    for row in rows:
        table.add_column(row.asking, min_width=18, no_wrap=True)
    for metric in rows[0].figures:
        table.add_row(metric, *(_cell(row.figures[metric]) for row in rows))
    return table


def _cell(figure: Figure) -> str:
    return f"{figure.value:.2f} [dim]{figure.low:.1f}-{figure.high:.1f}[/dim]"
