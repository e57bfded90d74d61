"""Jobs that measure finished versions on the catalogue's held-out triplets.

Each try takes the triplets as they are then, into a folder of its own, and writes nothing before
its end: so a worker may die at any point of it, and the next begins anew. Only the features that
were taken meanwhile are kept, which is what takes long.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sqlalchemy.orm import Session

from backend.errors import InvalidInput
from backend.jobs import service as jobs
from backend.jobs.schemas import COMPARE, EVALUATE
from backend.registry.deployments import active
from backend.registry.lifecycle import check_finished, measured, version_row
from backend.registry.tables import ModelVersion
from workers.app import task
from workers.datasets.opening import Dataset
from workers.run import Run
from workers.trainer.features import FeatureCache
from workers.training_data import held_out, take_snapshot
from workers.training_features import export_features
from workers.training_files import RunFolder
from workers.training_leftovers import clear_away
from workers.training_process import Child
from workers.training_spec import CompareWork, EvaluateWork, MeasureWork
from workers.training_task import ChildTask

NOTHING_HELD_OUT = (
    "There are no held-out triplets to measure on: accept triplets between products of the split "
    "test, or move a share of the accepted ones there with `akin triplets hold-out --split test`."
)


@task(EVALUATE)
def evaluate(run: Run) -> dict[str, Any]:
    """Measure the version that is the job's subject, beside the active one.

    Raises:
        InvalidInput: if no triplets are held out, or the version cannot be measured on them.
        NotFound: if the version is gone.
        Conflict: if it has no weights.
        Unavailable: if a later try may do: a full disk, a child that was killed.
    """
    with Child() as child:
        return _Evaluation(run, child).work()


@task(COMPARE)
def compare(run: Run) -> dict[str, Any]:
    """Compare the two versions that the job names; raises as `evaluate` does."""
    with Child() as child:
        return _Comparison(run, child).work()


class _Measuring(ChildTask):
    """The snapshot, the features and the child of one try."""

    def __init__(self, run: Run, child: Child) -> None:
        super().__init__(run, child)
        self._features = RunFolder(self._settings.training_folder, run.job_id).features

    def _measured(
        self, place: Path, kind: type[MeasureWork], versions: Mapping[str, ModelVersion]
    ) -> dict[str, Any]:
        """What a child finds on `versions`, by the names that this kind of work has for them."""
        with self._run.write() as session:
            self._run.progress(session, stage="preparing")
        dataset, split = self._held_out(place / "catalogue")
        for version in versions.values():
            export_features(
                self._runtime,
                version.fingerprint,
                dataset.folder / "images",
                FeatureCache(self._features),
                self._said,
            )
        work = kind(
            data=dataset.folder,
            split=split,
            figures=place / "figures.json",
            cache=self._features,
            **{name: self._spec(one, one.name) for name, one in versions.items()},
            **self._child_options,
        )
        self._do(work, "evaluating")
        found: dict[str, Any] = json.loads(work.figures.read_bytes())
        return found | {"data": dataset.kind.label}

    def _held_out(self, folder: Path) -> tuple[Dataset, str]:
        take_snapshot(self._runtime.database, self._runtime.blobs, None, folder, self._said)
        found = held_out(folder)
        if found is None:
            raise InvalidInput(NOTHING_HELD_OUT)
        return found

    @contextmanager
    def _place(self) -> Iterator[Path]:
        """A folder for this try: whoever lost the lease may still be writing into another."""
        clear_away(self._runtime)
        folder = RunFolder(self._settings.training_folder, self._run.job_id).path
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(mkdtemp(dir=folder))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
            with suppress(OSError):  # another try has its own there
                folder.rmdir()


class _Evaluation(_Measuring):
    def work(self) -> dict[str, Any]:
        subject = self._run.subject or ""
        with self._run.read() as session:
            now = active(session)
            new, old = _finished(session, subject), version_row(session, now.version_id)
        with self._place() as place:
            found = self._measured(place, EvaluateWork, {"model": new, "active": old})
        found["active"] = now.version_id
        result = {"version": subject, "triplets": found["triplets"], "split": found["split"]}

        def written(session: Session) -> None:
            actor = jobs.get(session, self._run.job_id).actor
            measured(session, subject, found, actor=actor)

        self._run.finish(result, also=written)
        return result


class _Comparison(_Measuring):
    def work(self) -> dict[str, Any]:
        with self._run.read() as session:
            versions = {side: _finished(session, str(self._asked[side])) for side in ("a", "b")}
        with self._place() as place:
            return self._measured(place, CompareWork, versions)


def _finished(session: Session, version_id: str) -> ModelVersion:
    version = version_row(session, version_id)
    check_finished(version)
    return version
