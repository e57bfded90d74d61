"""Finding and reading a backbone; weights are read without executing anything in them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import open_clip
import torch
from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH
from pydantic import BaseModel, FiniteFloat
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from backend.encoding.loading_failures import MISMADE, check_name, explained, first_few, unreadable
from backend.encoding.preprocessing import Preprocessing
from backend.encoding.spec import DEMO, FOLDER, BackboneSpec, plain_name
from backend.encoding.towers import Model
from backend.errors import InvalidInput

Tokenizer = Callable[[list[str], int], Tensor]  # texts and context length -> (n, context) ids
MOST_WORDS = 100_000  # some 20 MB; the rest is split anew each time, in microseconds
LONGEST_WORD = 40
CARD = "card.json"
DEMO_FOLDER = Path(__file__).parent / "akin_demo"
_DRAWN = {
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.kaiming_uniform_,
    Tensor.normal_,
    Tensor.uniform_,
}
IMAGE_TOWER = "visual."  # what open_clip's names of its weights begin with


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
    check_name(name, spec.pretrained)
    try:
        with _Unset():
            model = open_clip.create_model(
                name, pretrained=spec.pretrained, require_pretrained=True
            )
        architecture = open_clip.get_model_config(plain_name(name))
        tokenizer = _tokenizer(name, architecture.get("text_cfg", {}))
    except (pickle.UnpicklingError, SafetensorError) as error:
        raise InvalidInput(unreadable(name, spec.pretrained)) from error
    except (RuntimeError, OSError, *MISMADE) as error:
        raise explained(name, spec.pretrained, error) from error
    return Parts(
        model=model.requires_grad_(False),
        tokenize=tokenizer,
        preprocessing=_preprocessing(model.visual.preprocess_cfg, spec),
        context_length=int(model.context_length),
        image_config=architecture_facts(architecture),
        text_config=text_facts(architecture),
        card=_card(name),
    )


class _Unset(TorchFunctionMode):
    """Parameters are not drawn at random where each is about to be read: that takes half of the
    time to load a ViT-B/32. open_clip reads strictly, so none is left as it came from memory."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _DRAWN:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def _tokenizer(name: str, text: dict[str, Any]) -> Tokenizer:
    """The tokenizer that open_clip would make for this model; CLIP's own is shared by all that have
    it, since reading its vocabulary takes longer than reading a small model."""
    if text.get("hf_tokenizer_name") or "siglip" in name.lower():
        return cast(Tokenizer, open_clip.get_tokenizer(name))
    length = text.get("context_length", DEFAULT_CONTEXT_LENGTH)
    options = {**text.get("tokenizer_kwargs", {}), "context_length": length}
    return _clips_tokenizer(json.dumps(options, sort_keys=True))


@cache
def _clips_tokenizer(options: str) -> Tokenizer:
    tokenizer = open_clip.SimpleTokenizer(**json.loads(options))
    tokenizer.cache = _Words(tokenizer.cache)
    return cast(Tokenizer, tokenizer)


class _Words(dict[str, str]):
    """What the tokenizer remembers of words: of so many and no longer ones, as visitors write
    them. Nothing is taken out again, since another thread may be about to read it."""

    def __setitem__(self, word: str, pieces: str) -> None:
        if len(self) < MOST_WORDS and len(word) <= LONGEST_WORD:
            super().__setitem__(word, pieces)


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
            f"The changed weights do not fit the backbone ({first_few(clashes)}): load them over "
            "the backbone that they were trained from."
        )


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
