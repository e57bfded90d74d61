"""The `akin` command. One of the two places that may wire the worker's code to the backend's."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TaskID

from backend.accounts.roles import LOCAL_ADMIN
from backend.agreement import Agreement, Step
from backend.catalogue.schemas import ImportCreate
from backend.catalogue.sources import collect
from backend.client import AkinClient
from backend.commands import (
    auditing,
    backing_up,
    centring,
    checking,
    comparing,
    environment,
    evaluating,
    exporting,
    galleries,
    importing,
    jobs,
    login,
    maintenance,
    models,
    positives,
    searching,
    sending,
    serving,
    training,
    training_jobs,
    triplets,
    users,
    versions,
)
from backend.commands.terminal import AsJson, err, out, print_json, progress
from backend.errors import AkinError
from backend.jobs.schemas import ReconcileRequest
from workers.evaluating import evaluate_here, score_here, submit_here
from workers.recipes.positives.running import accept_here, describe_options, make_here
from workers.recipes.running import describe_recipe, train_here

if TYPE_CHECKING:
    from backend.commands.centring import CentringWanted
    from backend.composition.card import ModelCard
    from backend.findings import Findings
    from backend.findings import Step as LookedAt
    from backend.runtime import Runtime
    from workers.datasets.wardrobe.dataset import Stage, Summary

DEMO_ITEMS = 1500
DEMO_SEED = 7
DEMO_PIXELS = 320

app = typer.Typer(
    name="akin",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Find it like this, but different: composed image retrieval for product catalogues.",
)
datasets = typer.Typer(no_args_is_help=True, help="Datasets: make them, look at them.")


def seed_demo(client: AkinClient, home: Path) -> None:
    """Draw the demo catalogue and import it like anybody's."""
    folder = home / "wardrobe"
    with progress() as bars:
        if not folder.exists():
            _draw(folder, DEMO_ITEMS, DEMO_SEED, DEMO_PIXELS, bars)
        sources = collect([folder / "products.csv"])
        job = sending.send(client, sources, ImportCreate(), bars)
        sending.watch(client, job.id, bars, "Importing")
        sending.watch_embedding(client, bars)


def _draw(
    folder: Path, items: int, seed: int, size: int, bars: Progress, *, all_pairs: bool = False
) -> Summary:
    from workers.datasets.wardrobe.dataset import write_dataset

    stages: dict[Stage, TaskID] = {
        "looks": bars.add_task("Thinking up the looks", total=items, visible=False),
        "pictures": bars.add_task("Drawing the wardrobe", total=items, visible=False),
    }

    def report(stage: Stage, done: int, total: int) -> None:
        bars.update(stages[stage], completed=done, total=total, visible=True)

    processes = os.cpu_count() or 1
    return write_dataset(
        folder, items, seed, size=size, processes=processes, progress=report, all_pairs=all_pairs
    )


def reconcile_here(
    runtime: Runtime, request: ReconcileRequest, alone: bool, step: Step
) -> Agreement:
    """Compare the parts in this process, and mend them if that is asked for."""
    from backend.jobs.noting import note_mended
    from workers.reconciliation.reconcile import reconcile
    from workers.reconciliation.rounds import Directly

    work = Directly(runtime, step)
    ledger = reconcile(runtime, work, mend=request.mend, deep=request.deep, alone=alone)
    if request.mend and not ledger.in_line:
        with runtime.database.write() as session:
            note_mended(session, ledger.result(), LOCAL_ADMIN.name)
    return Agreement(ledger.result(), tuple(line.sentence for line in ledger.lines()))


def centre_here(wanted: CentringWanted) -> ModelCard:
    """As `workers.centring.centre_here`; imported where it is needed, as are numpy and PIL."""
    from workers import centring

    return centring.centre_here(wanted)


def check_dataset(folder: Path, kind: str | None, images: bool, step: LookedAt) -> Findings:
    """As `workers.datasets.check.check_dataset`, imported where it is needed."""
    from workers.datasets import check

    return check.check_dataset(folder, kind, images, step)


@datasets.command()
def wardrobe(
    folder: Annotated[Path, typer.Option("--out", help="A new or empty folder.")],
    items: Annotated[int, typer.Option(min=6, help="How many products, in families of six.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed draws the same catalogue.")] = 0,
    size: Annotated[int, typer.Option(min=32, help="Pixels of a picture's side.")] = DEMO_PIXELS,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Training triplets between any two of a family.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Draw the demo catalogue: pictures, products.csv, and triplets in FashionIQ's format."""
    with progress() as bars:
        summary = _draw(folder, items, seed, size, bars, all_pairs=all_pairs)
    if as_json:
        print_json({"folder": str(folder), "items": summary.items, "triplets": summary.triplets})
    else:
        out.print(f"Bring it in with: akin ingest {folder / 'products.csv'}")


app.command()(serving.up_command(seed_demo))
app.command()(importing.ingest)
app.command()(searching.search)
app.add_typer(jobs.app, name="jobs")
app.command()(searching.compose)
app.command()(exporting.export)
app.command()(training.train_command(train_here, describe_recipe))
app.command()(evaluating.evaluate_command(evaluate_here))
app.command()(evaluating.score_command(score_here))
app.command()(evaluating.submit_command(submit_here))
app.command()(maintenance.doctor_command(reconcile_here))
app.command()(maintenance.reset)
app.command()(backing_up.backup)
app.command()(backing_up.restore_command(reconcile_here))
app.command()(environment.env)
datasets.command("check")(checking.check_command(check_dataset))
datasets.command("spn-positives")(positives.spn_positives_command(make_here, describe_options))
datasets.command("accept")(positives.accept_command(accept_here))
app.add_typer(datasets, name="dataset")
models.app.command("train")(training_jobs.train)
models.app.command("centre")(centring.centre_command(centre_here))
for command in (*versions.COMMANDS, *comparing.COMMANDS):
    models.app.command(command.__name__)(command)
app.add_typer(models.app, name="models")
app.add_typer(galleries.app, name="galleries")
app.add_typer(auditing.app, name="audit")
app.add_typer(triplets.app, name="triplets")
app.command()(login.login)
app.command()(login.logout)
app.add_typer(login.keys, name="keys")
app.add_typer(users.app, name="users")


def main() -> None:
    """Run the command; a told failure is one sentence on standard error and exit code 1."""
    # Before torch is loaded: threads that wait by spinning cost other work two to four times what
    # they compute, and a query 300 to 500 ms instead of 6.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except AkinError as error:
        _tell(error.sentence)
        sys.exit(1)
    except OSError as error:
        name, reason = error.filename or "A file", (error.strerror or str(error)).lower()
        _tell(f"{name} could not be read or written ({reason}): look at its disk and permissions.")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        outage = _of_database(error)
        if outage is None:
            raise
        _tell(outage.sentence)
        sys.exit(1)


def _of_database(error: Exception) -> AkinError | None:
    """What a database that is full, locked or gone says; None for a mistake of ours."""
    from sqlalchemy.exc import SQLAlchemyError  # slow: only when something failed

    from backend.outages import told

    return told(error) if isinstance(error, SQLAlchemyError) else None


def _tell(sentence: str) -> None:
    err.print(sentence, style="red", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
