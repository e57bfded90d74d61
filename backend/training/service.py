"""Asking for a training: a version in training and the job that trains it, in one transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from backend.errors import Conflict, InvalidInput, NotFound
from backend.jobs import service as jobs
from backend.jobs.broker import Queue
from backend.jobs.schemas import TRAIN
from backend.jobs.tables import Job
from backend.registry.deployments import active
from backend.registry.in_training import begin_training
from backend.registry.tables import ModelVersion
from backend.settings import Settings
from backend.training.folders import checked_folder
from backend.training.recipes import OfferedRecipe
from backend.training.schemas import FolderData, TrainRequest


def checked(request: TrainRequest, recipe: OfferedRecipe, settings: Settings) -> dict[str, Any]:
    """The recipe's options in full; looks at the disk, so call it before the transaction.

    Raises:
        InvalidInput: for options, data or a folder that do not fit.
    """
    data = request.data
    if isinstance(data, FolderData):
        checked_folder(settings.datasets, data.path)
    elif data.kind != recipe.takes:
        raise InvalidInput(
            f"The recipe {recipe.name} trains on {recipe.takes}, not on {data.kind}: choose those, "
            "or a dataset folder."
        )
    return recipe.check(request.parameters, request.preset)


def start(
    session: Session, queue: Queue, request: TrainRequest, parameters: dict[str, Any], actor: str
) -> Job:
    """A queued training job, whose subject is the id of the version that it makes.

    parameters: as `checked` gives them.

    Raises:
        NotFound: no such parent.
        Conflict: for a parent that is not ready, or a name that another version has.
    """
    parent = _parent(session, request.parent)
    data = request.data.model_dump(mode="json")
    version = begin_training(
        session,
        name=request.name,
        recipe=request.recipe,
        parent=parent,
        parameters=parameters,
        data=data,
        actor=actor,
    )
    told = {
        "recipe": request.recipe,
        "parameters": parameters,
        "data": data,
        "parent": parent.id,
        "device": request.device,
        "version": version.name,
    }
    return jobs.create(session, queue, kind=TRAIN, actor=actor, parameters=told, subject=version.id)


def _parent(session: Session, named: str | None) -> ModelVersion:
    wanted = active(session).version_id if named is None else named
    found = select(ModelVersion).where(or_(ModelVersion.id == wanted, ModelVersion.name == wanted))
    version = session.scalars(found).first()
    if version is None:
        raise NotFound(f"There is no model version {wanted}: list them with `akin models list`.")
    if version.state not in ("ready", "archived"):
        raise Conflict(f"{version.name} is {version.state}: start from a version that is ready.")
    return version
