"""From a checkpoint's towers to a backbone: over a named parent, or as a folder of its own."""

from __future__ import annotations

import errno
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import open_clip
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from backend.composition.checkpoints.architectures import (
    architecture_of,
    check_quick,
    compared,
    first_few,
    fit_of,
    refuse_clashes,
    shapes_of,
    skeleton,
)
from backend.composition.checkpoints.recognising import State
from backend.disk_space import FULL
from backend.encoding.backbone import Backbone, load_backbone
from backend.encoding.preprocessing import OPENAI_MEAN, OPENAI_STD, Preprocessing
from backend.encoding.spec import FOLDER, BackboneSpec
from backend.errors import InvalidInput, NoSpace

CONFIG = "open_clip_config.json"  # the names open_clip looks for
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, eq=False)
class Converted:
    """Towers that answer: a backbone, what of it differs from its parent, what did not fit."""

    backbone: Backbone
    changed: Mapping[str, Tensor]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    architecture: str | None = None


def over_parent(towers: State, openai: bool | None, parent: BackboneSpec, path: Path) -> Converted:
    """A parent backbone with the checkpoint's tensors in the place of its own.

    Tensors that the checkpoint lacks stay the parent's. openai: whether the towers were made with
    OpenAI's package. Raises InvalidInput for tensors of other
    sizes, and as `load_backbone`.
    """
    plain = load_backbone(parent, device="cpu")
    own = plain.model.state_dict()
    ours = _as_stored(towers, own)
    fit = compared(shapes_of(ours), shapes_of(own), parent.name)
    refuse_clashes(fit, path)
    check_quick(plain.model, parent.name, openai, path)
    changed = {
        name: tensor
        for name, tensor in ours.items()
        if name in own and not torch.equal(tensor, own[name])
    }
    backbone = load_backbone(parent, device="cpu", overlay=changed) if changed else plain
    return Converted(backbone, changed, fit.missing, fit.unexpected)


def as_folder(
    towers: State,
    architecture: str | None,
    openai: bool | None,
    folder: Path,
    see: BackboneSpec,
    path: Path,
) -> Converted:
    """The checkpoint's towers as a backbone folder, laid out as the demo's.

    architecture: open_clip's name; found by the shapes unless given. see: its preprocessing.

    Raises InvalidInput where no architecture, or more than one, fits; for missing tensors and for
    ones of other sizes; and for a folder that holds something else. NoSpace for a full disk.
    """
    shapes = shapes_of(towers)
    fit = fit_of(shapes, architecture) if architecture else architecture_of(shapes, openai, path)
    refuse_clashes(fit, path)
    if fit.missing:
        raise InvalidInput(
            f"{len(fit.missing):,} tensors of {fit.name} are missing from {path} "
            f"({first_few(fit.missing)}): name the backbone that it was trained from with "
            "--backbone and --pretrained."
        )
    made = skeleton(fit.name)
    check_quick(made, fit.name, openai, path)
    wanted = made.state_dict()
    weights = {**_counters(wanted), **_as_stored(towers, wanted)}
    write_backbone(folder, fit.name, {name: weights[name] for name in wanted})
    spec = BackboneSpec(f"{FOLDER}{folder.resolve()}", None, see.preprocessing)
    backbone = load_backbone(spec, device="cpu")
    return Converted(backbone, {}, (), fit.unexpected, fit.name)


def write_backbone(folder: Path, architecture: str, weights: Mapping[str, Tensor]) -> None:
    """A folder that `local-dir:` names; one that is there already is replaced, whole."""
    if folder.exists() and not (folder / CONFIG).is_file():
        raise InvalidInput(f"{folder} holds something else than a backbone: name another --out.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        (aside / CONFIG).write_text(json.dumps(_config(architecture), indent=1))
        _save(weights, aside / WEIGHTS)
        aside.chmod(0o755)
        (aside / WEIGHTS).chmod(0o644)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoSpace(
            f"The disk is full, so the backbone was not written to {folder}: make room and try "
            "again."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _save(weights: Mapping[str, Tensor], path: Path) -> None:
    """Raises OSError like any write, which safetensors tells in words of its own."""
    try:
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
    except SafetensorError as error:
        raise OSError(_number(error), str(error), str(path)) from error


def _number(error: SafetensorError) -> int:
    told = re.search(r"os error (\d+)", str(error))
    return int(told[1]) if told else errno.EIO


def _config(architecture: str) -> dict[str, object]:
    """What open_clip reads of a model's folder."""
    facts = open_clip.get_model_config(architecture.replace("/", "-"))
    see = asdict(_seen_as(architecture, int(facts["vision_cfg"]["image_size"])))
    kept = {key: see[key] for key in ("size", "mean", "std", "interpolation")}
    return {"model_cfg": facts, "preprocess_cfg": {**kept, "resize_mode": "shortest"}}


def _seen_as(architecture: str, size: int) -> Preprocessing:
    """Mean and deviation that all published weights of an architecture agree on, else OpenAI's."""
    name = architecture.replace("/", "-")
    tags = open_clip.list_pretrained_tags_by_model(name)
    known = [open_clip.get_pretrained_cfg(name, tag) for tag in tags]
    agreed = {
        (tuple(one.get("mean", OPENAI_MEAN)), tuple(one.get("std", OPENAI_STD))) for one in known
    }
    mean, std = agreed.pop() if len(agreed) == 1 else (OPENAI_MEAN, OPENAI_STD)
    return Preprocessing(size=size, mean=mean, std=std)


def _as_stored(towers: State, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as float32 and counters as they are, in the shape that the architecture writes."""
    seen: set[int] = set()
    stored: dict[str, Tensor] = {}
    for name, tensor in towers.items():
        own = tensor.float() if tensor.is_floating_point() else tensor
        if own.numel() == 1 and name in wanted:
            own = own.reshape(wanted[name].shape)
        storage = own.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() > own.numel() * own.element_size():
            own = own.clone()  # safetensors takes no two tensors in one memory
        seen.add(storage.data_ptr())
        stored[name] = own
    return stored


def _counters(wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: torch.zeros(tensor.shape, dtype=tensor.dtype)
        for name, tensor in wanted.items()
        if not tensor.is_floating_point()
    }
