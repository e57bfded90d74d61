"""The files of a training job: `catalogue/` is its snapshot, `run/` what the trainer leaves."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from workers.recipes.recipe import MODEL

OUTCOME = "outcome.json"
FEATURES = "features"


@dataclass(frozen=True)
class RunFolder:
    """Where a job keeps what its next segment, on whatever worker, goes on from."""

    home: Path
    job_id: str

    @property
    def path(self) -> Path:
        return self.home / self.job_id

    @property
    def catalogue(self) -> Path:
        """The snapshot, in the layout of an exported catalogue; there once it is whole."""
        return self.path / "catalogue"

    @property
    def run(self) -> Path:
        """Checkpoints, curves and, at last, the model."""
        return self.path / "run"

    @property
    def model(self) -> Path:
        """The artefact of a run that has ended."""
        return self.run / MODEL

    @property
    def figures(self) -> Path:
        """What the finished model reaches on held-out triplets."""
        return self.path / "figures.json"

    @property
    def features(self) -> Path:
        """The features of frozen towers, which all jobs share."""
        return self.home / FEATURES

    @property
    def trained(self) -> bool:
        """Whether the run has come to its end."""
        return (self.run / OUTCOME).is_file()

    def remove(self) -> None:
        """All files of the job go; the features stay."""
        shutil.rmtree(self.path, ignore_errors=True)
