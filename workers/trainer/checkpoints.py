"""Checkpoints that hold the whole of a training run, written aside and renamed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from backend.errors import InvalidInput


@dataclass
class Progress:
    """Where a run stands: steps done and seconds spent."""

    step: int = 0
    seconds: float = 0.0


def save(path: Path, progress: Progress, **parts: Any) -> None:
    """Writes the state of every part (model, optimiser, scheduler) and torch's generator."""
    state = {name: part.state_dict() for name, part in parts.items()}
    state["progress"] = vars(progress)
    state["generator"] = torch.get_rng_state()
    aside = path.with_suffix(".partial")
    with aside.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def restore(path: Path, **parts: Any) -> Progress:
    """Puts every part back to the state it had when `path` was saved.

    Raises InvalidInput where the checkpoint lacks a part or belongs to another architecture.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    for name, part in parts.items():
        try:
            part.load_state_dict(state[name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise InvalidInput(
                f"The checkpoint {path} does not fit this run ({name}): "
                "train into another folder, or use the options it was started with."
            ) from error
    torch.set_rng_state(state["generator"])
    return Progress(state["progress"]["step"], state["progress"]["seconds"])
