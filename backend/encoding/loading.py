"""Finding and reading a backbone; weights are read without executing anything in them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.factory import load_state_dict
from pydantic import BaseModel, FiniteFloat
from safetensors import SafetensorError
from torch import Tensor

from backend.encoding.preprocessing import Preprocessing
from backend.encoding.spec import DEMO, BackboneSpec
from backend.encoding.towers import Model
from backend.errors import InvalidInput, SetupError

Tokenizer = Callable[[list[str], int], Tensor]  # texts and context length -> (n, context) ids
CARD = "card.json"
DEMO_FOLDER = Path(__file__).parent / "akin_demo"
HUB, FOLDER = "hf-hub:", "local-dir:"
MISMADE = (ValueError, KeyError, TypeError, AttributeError, AssertionError)
"""What open_clip raises for a configuration that describes no model."""
IMAGE_TOWER = "visual."  # what open_clip's names of its weights begin with
WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")


@dataclass(frozen=True)
class Parts:
    """What a backbone is made of."""

    model: Model
    tokenize: Tokenizer
    preprocessing: Preprocessing
    context_length: int
    image_config: dict[str, Any]
    text_config: dict[str, Any]
    card: dict[str, Any]


class _CardFacts(BaseModel):
    """What is used of a backbone's card; it may hold more."""

    image_mean: list[FiniteFloat] | None = None
    text_mean: list[FiniteFloat] | None = None
    vocabulary: list[str] | None = None


def read_parts(spec: BackboneSpec) -> Parts:
    """The model that `spec` names with its weights, on the CPU; errors as `load_backbone` lists."""
    name = f"{FOLDER}{DEMO_FOLDER}" if spec.name == DEMO else spec.name
    _check(name, spec.pretrained)
    try:
        model = open_clip.create_model(name, pretrained=spec.pretrained, require_pretrained=True)
        tokenizer = open_clip.get_tokenizer(name)
    except (pickle.UnpicklingError, SafetensorError) as error:
        raise InvalidInput(_unreadable(name, spec.pretrained)) from error
    except (RuntimeError, OSError, *MISMADE) as error:
        raise _explained(name, spec.pretrained, error) from error
    architecture = open_clip.get_model_config(_plain(name))
    return Parts(
        model=model.requires_grad_(False),
        tokenize=tokenizer,
        preprocessing=_preprocessing(model.visual.preprocess_cfg, spec),
        context_length=int(model.context_length),
        image_config=architecture_facts(architecture),
        text_config=text_facts(architecture),
        card=_card(name),
    )


def overlaid(parts: Parts, overlay: Mapping[str, Tensor]) -> Parts:
    """The parts with these tensors, by name, in the place of the parent's.

    The means on the card are dropped where the tower that they are of is another now.

    Raises InvalidInput for a name that the model does not have, or another shape.
    """
    known = parts.model.state_dict()
    _check_overlay(known, overlay)
    with torch.no_grad():
        for name, tensor in overlay.items():
            known[name].copy_(tensor)
    stale = {"image_mean" if name.startswith(IMAGE_TOWER) else "text_mean" for name in overlay}
    card = {key: value for key, value in parts.card.items() if key not in stale}
    return replace(parts, card=card)


def _check_overlay(known: Mapping[str, Tensor], overlay: Mapping[str, Tensor]) -> None:
    clashes = [f"{name} is unknown to it" for name in overlay if name not in known]
    clashes += [
        f"{name} is {tuple(tensor.shape)} instead of {tuple(known[name].shape)}"
        for name, tensor in overlay.items()
        if name in known and known[name].shape != tensor.shape
    ]
    if clashes:
        raise InvalidInput(
            f"The changed weights do not fit the backbone ({_first(clashes)}): load them over the "
            "backbone that they were trained from."
        )


def _first(clashes: list[str]) -> str:
    more = f" and {len(clashes) - 3} more" if len(clashes) > 3 else ""
    return ", ".join(clashes[:3]) + more


def architecture_facts(architecture: dict[str, Any]) -> dict[str, Any]:
    """The part of an open_clip configuration that decides what becomes of a picture."""
    vision = {k: v for k, v in architecture["vision_cfg"].items() if k != "timm_model_pretrained"}
    return {
        "embed_dim": architecture["embed_dim"],
        "quick_gelu": architecture.get("quick_gelu", False),
        "vision_cfg": vision,
    }


def text_facts(architecture: dict[str, Any]) -> dict[str, Any]:
    """The part of an open_clip configuration that decides what becomes of a text."""
    return {
        "embed_dim": architecture["embed_dim"],
        "quick_gelu": architecture.get("quick_gelu", False),
        "text_cfg": architecture["text_cfg"],
    }


def _plain(name: str) -> str:
    """An architecture's name as open_clip lists it; hub and folder names as they are."""
    return name if name.startswith((HUB, FOLDER)) else name.replace("/", "-")


def _check(name: str, pretrained: str | None) -> None:
    if name.startswith(FOLDER):
        _check_folder(Path(name.removeprefix(FOLDER)))
    elif not name.startswith(HUB):
        _check_architecture(name)
        _check_weights(name, pretrained)


def _check_architecture(name: str) -> None:
    known = open_clip.list_models()
    if _plain(name) not in known:
        raise InvalidInput(f"There is no architecture {name!r} in open_clip{_close(name, known)}.")


def _check_folder(folder: Path) -> None:
    for file in ("open_clip_config.json", "model.safetensors"):
        if not (folder / file).is_file():
            raise InvalidInput(
                f"There is no {file} in {folder}: name the folder of an exported model."
            )


def _check_weights(name: str, pretrained: str | None) -> None:
    tags = open_clip.list_pretrained_tags_by_model(_plain(name))
    if not pretrained:
        raise InvalidInput(
            f"The architecture {name} needs weights: give a pretrained tag "
            f"({', '.join(tags[:5]) or 'it has none'}) or the path of a weights file."
        )
    if Path(pretrained).suffix in WEIGHT_SUFFIXES:
        if not Path(pretrained).is_file():
            raise InvalidInput(f"There is no weights file {pretrained}: check the path.")
    elif open_clip.get_pretrained_cfg(_plain(name), pretrained) in (None, {}):
        raise InvalidInput(
            f"There are no weights {pretrained!r} for {name}{_close(pretrained, tags)}; a file "
            f"must end in one of {', '.join(WEIGHT_SUFFIXES)}."
        )


def _close(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.4) or known[:3]
    return f": the closest are {', '.join(near)}" if near else ""


def _explained(name: str, pretrained: str | None, error: Exception) -> InvalidInput | SetupError:
    """What went wrong while open_clip made the model, told in one sentence."""
    if _weights_file(name, pretrained) is None:
        return SetupError(
            f"The weights {pretrained or name} could not be fetched: check the network, or give "
            "the path of a weights file that is already here."
        )
    try:
        difference = _difference(name, pretrained)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError):
        return InvalidInput(_unreadable(name, pretrained))
    except MISMADE:
        return InvalidInput(
            f"The open_clip_config.json of {name} is damaged, or describes no model that this "
            "open_clip can make: export the model again."
        )
    if difference:
        file = _weights_file(name, pretrained)
        return InvalidInput(
            f"The weights in {file} are of another architecture than {name}: {difference}."
        )
    return SetupError(f"The backbone {name} could not be made: {error}.")


def _weights_file(name: str, pretrained: str | None) -> Path | None:
    if name.startswith(FOLDER):
        return Path(name.removeprefix(FOLDER)) / "model.safetensors"
    local = pretrained is not None and Path(pretrained).suffix in WEIGHT_SUFFIXES
    return Path(str(pretrained)) if local else None


def _unreadable(name: str, pretrained: str | None) -> str:
    return (
        f"The weights file {_weights_file(name, pretrained) or name} is damaged, or holds code or "
        "objects besides tensors, which are never executed here: save it as safetensors."
    )


def _difference(name: str, pretrained: str | None) -> str:
    """Where the file's tensors and the architecture's disagree, in a few words."""
    found = load_state_dict(str(_weights_file(name, pretrained)))
    with torch.device("meta"):
        expected = open_clip.create_model(name, load_weights=False, device="meta").state_dict()
    clashes = [
        f"{key} is {tuple(found[key].shape)} instead of {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in found and found[key].shape != tensor.shape
    ]
    clashes += [f"{key} is missing" for key in expected if key not in found]
    clashes += [f"{key} is unknown to it" for key in found if key not in expected]
    return _first(clashes)


def _preprocessing(facts: dict[str, Any], spec: BackboneSpec) -> Preprocessing:
    size = facts["size"]
    return Preprocessing(
        kind=spec.preprocessing,
        size=int(size if isinstance(size, int) else size[0]),
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        interpolation="bilinear" if facts["interpolation"] == "bilinear" else "bicubic",
    )


def _card(name: str) -> dict[str, Any]:
    path = Path(name.removeprefix(FOLDER)) / CARD
    if not name.startswith(FOLDER) or not path.is_file():
        return {}
    try:
        card: dict[str, Any] = json.loads(path.read_text())
        _CardFacts.model_validate(card)
    except (ValueError, RecursionError) as error:  # pydantic's is a ValueError too
        raise InvalidInput(
            f"{path} is damaged: copy the backbone again, or remove that file to do without the "
            "words and means that it lists."
        ) from error
    return card
