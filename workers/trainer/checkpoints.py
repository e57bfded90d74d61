"""Checkpoints that hold the whole of a training run, written aside and renamed."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from backend.disk_space import FULL
from backend.errors import InvalidInput, NoSpace

CHECKPOINT = "checkpoint.pt"
CUDA_GENERATORS = "cuda_generators"
READABLE = 60
"""Letters of a changed option that a sentence can show."""


@dataclass
class Progress:
    """Where a run stands: steps done and seconds spent."""

    step: int = 0
    seconds: float = 0.0


class Weights:
    """Named tensors as a part of a checkpoint; loading fills the very tensors that are trained."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def state_dict(self) -> dict[str, Tensor]:
        return {name: tensor.detach() for name, tensor in self._tensors.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Raises ValueError where names or shapes differ."""
        if state.keys() != self._tensors.keys():
            raise ValueError(f"other tensors: {sorted(state.keys() ^ self._tensors.keys())[:3]}")
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                if tensor.shape != state[name].shape:
                    raise ValueError(f"{name} has another shape")
                tensor.copy_(state[name])

    def copied(self) -> dict[str, Tensor]:
        """The tensors as they are now, on the CPU."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self._tensors.items()}


def save(
    path: Path, progress: Progress, *, facts: Mapping[str, Any] | None = None, **parts: Any
) -> None:
    """Writes the state of every part (model, optimiser, scheduler) and torch's generators.

    facts: what the run is of, as JSON; `restore` compares it.
    Raises NoSpace where the disk is full; what `path` held before is kept.
    """
    state: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
    state["progress"] = vars(progress)
    state["facts"] = dict(facts or {})
    state["generator"] = torch.get_rng_state()
    if torch.cuda.is_available():
        state[CUDA_GENERATORS] = torch.cuda.get_rng_state_all()
    write(path, state)


def restore(path: Path, *, facts: Mapping[str, Any] | None = None, **parts: Any) -> Progress:
    """Puts every part back to the state it had when `path` was saved.

    Raises InvalidInput where the checkpoint is damaged, lacks a part, or belongs to another
    architecture or, by its facts, to another run.
    """
    state = read(path)
    if not isinstance(state, dict) or not _is_of_a_run(state):
        raise InvalidInput(f"The file {path} is no checkpoint of a run: remove it.")
    _check_facts(path, state.get("facts", {}), dict(facts or {}))
    for name, part in parts.items():
        try:
            part.load_state_dict(state[name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise InvalidInput(
                f"The checkpoint {path} does not fit this run ({name}): "
                "train into another folder, or use the options it was started with."
            ) from error
    torch.set_rng_state(state["generator"])
    if torch.cuda.is_available() and len(state.get(CUDA_GENERATORS, ())):
        torch.cuda.set_rng_state_all(state[CUDA_GENERATORS][: torch.cuda.device_count()])
    return Progress(state["progress"]["step"], state["progress"]["seconds"])


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Writes tensors and plain values aside, flushes and renames. Raises NoSpace as `save` does."""
    aside = path.with_suffix(".partial")
    with full_disk_told(path.parent):
        try:
            with aside.open("wb") as file:
                _write_through(file, state)
            aside.replace(path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise


def read(path: Path) -> dict[str, Any]:
    """What `write` wrote; nothing in it is executed. Raises InvalidInput where it is damaged."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise InvalidInput(
            f"The checkpoint {path} is damaged: remove it to start the run anew."
        ) from error
    return state


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Turns the system's word that the disk of `folder` is full into NoSpace."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        kept = (folder / CHECKPOINT).exists()
        then = "goes on from its last checkpoint, which is kept" if kept else "begins anew"
        raise NoSpace(
            f"The disk that holds {folder} is full: make room and start again; the run {then}."
        ) from error


def _write_through(file: BinaryIO, state: Mapping[str, Any]) -> None:
    try:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    except RuntimeError as error:  # how torch's writer passes on what the system said
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def _check_facts(path: Path, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [name for name in now if name in was and was[name] != now[name]]
    if changed:
        told = ", ".join(_change(name, was[name], now[name]) for name in changed[:3])
        raise InvalidInput(
            f"The checkpoint {path} belongs to another run ({told}): train into another folder, "
            "or use the options it was started with."
        )


def _is_of_a_run(state: Mapping[str, Any]) -> bool:
    progress = state.get("progress")
    whole = isinstance(progress, dict) and {"step", "seconds"} <= progress.keys()
    return whole and isinstance(state.get("generator"), Tensor)


def _change(name: str, was: Any, now: Any) -> str:
    """Both values where one can read them; digests and tables say nothing."""
    told = f"{name} was {was} and is now {now}"
    return told if len(told) <= READABLE else f"another {name}"
