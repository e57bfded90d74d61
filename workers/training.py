"""The training job: a model version from the catalogue's data, in segments under the lease.

Every step finds what the one before left on the disk or in SQL, so a worker may die between any
two things done here, or in them, and another goes on: the snapshot is renamed into place when it is
whole, features are kept by content, a segment goes on from its checkpoint, the end of a run, its
figures and its artefact are files, and the version is ready in the transaction that ends the job.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from backend.composition.card import BackboneCard, read_card
from backend.registry.deployments import active
from backend.registry.in_training import finish_training
from backend.registry.lifecycle import version_row
from backend.registry.tables import ModelVersion
from backend.training.curves import add_log, add_points
from backend.training.folders import checked_folder, refuse_links_out
from backend.training.schemas import FolderData, PointOut, TrainingData
from backend.whole_files import write_whole
from workers.app import task
from workers.datasets.opening import Dataset
from workers.run import Run
from workers.trainer.curves import read_curves
from workers.trainer.features import FeatureCache
from workers.training_data import Snapshot, held_out, take_snapshot
from workers.training_features import export_features
from workers.training_files import OUTCOME, RunFolder
from workers.training_leftovers import clear_away, remove
from workers.training_process import Child
from workers.training_spec import Ended, EvaluateWork, ModelSpec, TrainWork
from workers.training_task import ChildTask

_DATA: TypeAdapter[TrainingData] = TypeAdapter(TrainingData)


@task("train")
def train(run: Run) -> dict[str, Any]:
    """Train the model version that is the job's subject.

    Raises:
        InvalidInput: for data that cannot be trained on, and whatever else the recipe refuses.
        NotFound: if the version, or the one that it starts from, is gone.
        Unavailable: if a later try may do: a full disk, a child that was killed.
    """
    with Child() as child:
        return _Training(run, child).work()


class _Training(ChildTask):
    def __init__(self, run: Run, child: Child) -> None:
        super().__init__(run, child)
        self._folder = RunFolder(self._settings.training_folder, run.job_id)
        self._data = _DATA.validate_python(self._asked["data"])

    def work(self) -> dict[str, Any]:
        clear_away(self._runtime)
        self._folder.path.mkdir(parents=True, exist_ok=True)
        with self._run.write() as session:
            self._run.progress(session, stage="preparing")
        snapshot = self._snapshot()
        self._export(self._parent.fingerprint)
        while not self._folder.trained:
            self._segment()
        self._complete_curves()
        self._measure()
        return self._finish(snapshot)

    def _snapshot(self) -> Snapshot:
        is_new = not self._folder.catalogue.exists()
        found = take_snapshot(
            self._runtime.database,
            self._runtime.blobs,
            self._data,
            self._folder.catalogue,
            self._said,
        )
        if is_new:
            told = ", ".join(f"{count:,} {what}" for what, count in found.counts.items())
            self._log(f"The data: {told or 'a folder'}.", moved=True)
        return found

    def _export(self, fingerprint: str) -> None:
        export_features(
            self._runtime,
            fingerprint,
            self._folder.catalogue / "images",
            FeatureCache(self._folder.features),
            self._said,
        )

    def _segment(self) -> None:
        work = TrainWork(
            recipe=self._asked["recipe"],
            parameters=self._asked["parameters"],
            parent=self._spec(self._parent, self._parent.name),
            name=self._version_name(),
            data=self._data_folder(),
            out=self._folder.run,
            cache=self._folder.features,
            segment_seconds=self._settings.train_segment_seconds,
            **self._child_options,
        )
        self._do(work, "preparing")

    def _complete_curves(self) -> None:
        """What a child had done when its listener was killed was never heard; it is on the disk."""
        told = [PointOut(**{"figures": {}, **line}) for line in read_curves(self._folder.run)]
        with self._run.write() as session:
            add_points(session, self._run.job_id, told)

    def _measure(self) -> None:
        """The figures of the model, once; none where there is nothing held out."""
        if self._folder.figures.is_file():
            return
        found = self._held_out()
        with self._run.read() as session:
            now = active(session)
        if found is None:
            self._log("There are no held-out triplets, so the version has no figures.")
            write_whole(self._folder.figures, b"null")
            return
        dataset, split = found
        self._export(now.fingerprint)
        work = EvaluateWork(
            model=self._finished,
            active=self._spec(now, now.version),
            data=dataset.folder,
            split=split,
            figures=self._folder.path / "ways.json",
            cache=self._folder.features,
            **self._child_options,
        )
        self._do(work, "evaluating")
        ways = json.loads(work.figures.read_text())
        told = {"held_out": {**ways, "active": now.version_id, "data": dataset.kind.label}}
        write_whole(self._folder.figures, json.dumps(told).encode())

    def _finish(self, snapshot: Snapshot) -> dict[str, Any]:
        self._run.checkpoint()
        self._run.check()
        artefact = self._runtime.artefacts.keep(self._folder.model)
        card = read_card(self._folder.model)
        figures = json.loads(self._folder.figures.read_text()) or {}
        ended = Ended.model_validate_json((self._folder.run / OUTCOME).read_bytes())
        result = {
            "version": self._run.subject,
            "steps": ended.steps,
            "best_step": ended.best_step,
            "seconds": ended.seconds,
            "snapshot": snapshot.hash,
            "counts": snapshot.counts,
        }

        def ready(session: Session) -> None:
            finish_training(session, self._run.subject or "", card, artefact, figures)

        self._run.finish(result, also=ready)
        remove(self._runtime, self._folder)
        return result

    def _held_out(self) -> tuple[Dataset, str] | None:
        """The catalogue's held-out triplets, else those of the folder that was trained on."""
        for folder in dict.fromkeys((self._folder.catalogue, self._data_folder())):
            if (found := held_out(folder)) is not None:
                return found
        return None

    @cached_property
    def _parent(self) -> ModelVersion:
        with self._run.read() as session:
            return version_row(session, self._asked["parent"])

    def _version_name(self) -> str:
        """Its name now: it may have been given another since the job was made."""
        with self._run.read() as session:
            return version_row(session, self._run.subject or "").name

    @property
    def _finished(self) -> ModelSpec:
        """The model of a run that has ended: its folder says all of it."""
        return ModelSpec(
            name=self._version_name(),
            backbone=BackboneCard.model_validate(self._parent.backbone),
            composer=self._parent.composer,
            folder=self._folder.model,
        )

    def _data_folder(self) -> Path:
        if not isinstance(self._data, FolderData):
            return self._folder.catalogue
        folder = checked_folder(self._settings.datasets, self._data.path)
        assert self._settings.datasets is not None  # noqa: S101 - else it was refused
        refuse_links_out(self._settings.datasets, folder)
        return folder

    def _log(self, text: str, *, moved: bool = False) -> None:
        with self._run.write() as session:
            add_log(session, self._run.job_id, [text])
            self._run.progress(session, moved=moved)
