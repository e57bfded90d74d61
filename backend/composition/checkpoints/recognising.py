"""Which method a checkpoint is of, told from its keys and shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from backend.composition.networks import NetworkKind
from backend.errors import InvalidInput

State = Mapping[str, Tensor]
Method = Literal["clip", "clip4cir", "spn4cir", "pic2word", "combiner", "phi"]

OPENAI_FACTS = ("input_resolution", "context_length", "vocab_size")
"""Numbers that OpenAI's own files carry among the weights."""

_PREFIXES = ("clip.", "backbone.")
_NETWORK_KEYS: Mapping[str, NetworkKind] = {
    "dynamic_scalar.3.weight": "combiner",
    "layers.6.weight": "phi",
    "fc_out.weight": "im2text",
}
_METHODS: Mapping[NetworkKind, Method] = {
    "combiner": "combiner",
    "phi": "phi",
    "im2text": "pic2word",
}
_REFUSED_KEYS = {
    "BLIP_Retrieval": "BLIP4CIR",
    "Blip2QformerCirAlignPrompt": "SPRC",
}
_REFUSED_PARTS = {  # of the names of tensors
    "Qformer": "SPRC",
    "tokenlearn": "TG-CIR",
    "masks": "TG-CIR",
    "blip": "BLIP4CIR",
    "blip_model": "BLIP4CIR or SPRC",
    "visual_encoder": "BLIP4CIR",
}


@dataclass(frozen=True, eq=False)
class Recognised:
    """The parts of a checkpoint: towers, a network, or both.

    openai: whether the towers were made with OpenAI's own package, and so have QuickGELU; None
    where the file does not say. facts: numbers beside the weights (epoch, tau).
    """

    method: Method
    towers: State | None = None
    network: State | None = None
    network_kind: NetworkKind | None = None
    openai: bool | None = None
    facts: dict[str, float] = field(default_factory=dict)


def recognise(found: Mapping[str, Any], path: Path) -> Recognised:
    """What `read_checkpoint` found, with the prefixes of its names stripped.

    Raises InvalidInput for a checkpoint of a method whose model is no CLIP (BLIP4CIR, TG-CIR,
    SPRC), of Hugging Face's names, and for one of no kind that is known.
    """
    _refuse_wrappers(found, path)
    states = {key: _tensors(value) for key, value in found.items() if isinstance(value, Mapping)}
    parts = {key: state for key, state in states.items() if state and key != "optimizer"}
    flat = _tensors(found)
    if flat and not parts:
        parts = {"": flat}
    facts = _facts(found)
    pieces = [_piece(key, state, path) for key, state in parts.items()]
    known = [piece for piece in pieces if piece is not None]
    if not known:
        raise _unknown(found, path)
    return _together(known, facts, path)


def _refuse_wrappers(found: Mapping[str, Any], path: Path) -> None:
    for key, method in _REFUSED_KEYS.items():
        if key in found:
            raise _no_clip(path, method)


def _piece(key: str, state: State, path: Path) -> Recognised | None:
    names = _without_prefix(state, "module.")
    for known, kind in _NETWORK_KEYS.items():
        if known in names:
            return Recognised(_METHODS[kind], network=names, network_kind=kind)
    _refuse_parts(names, path)
    for prefix in _PREFIXES:
        if any(name.startswith(f"{prefix}visual.") for name in names):
            inner = {name.removeprefix(prefix): tensor for name, tensor in names.items()}
            tau = {n: float(inner.pop(n)) for n in ("tau",) if n in inner and inner[n].numel() == 1}
            return Recognised("spn4cir", towers=inner, openai=True, facts=tau)
    if not any(name.startswith("visual.") for name in names):
        return None
    weights = {name: tensor for name, tensor in names.items() if name not in OPENAI_FACTS}
    if key == "CLIP":
        return Recognised("clip4cir", towers=weights, openai=True)
    return Recognised("clip", towers=weights, openai=len(weights) < len(names) or None)


def _refuse_parts(names: State, path: Path) -> None:
    for name in names:
        for part in name.split("."):
            if part in _REFUSED_PARTS or "tokenlearn" in part:
                raise _no_clip(path, _REFUSED_PARTS.get(part, "TG-CIR"))
            if part in {"vision_model", "text_model"}:
                raise InvalidInput(
                    f"The weights in {path} have Hugging Face's names ({name}): give the same "
                    "model in open_clip's or OpenAI's layout."
                )


def _together(pieces: list[Recognised], facts: dict[str, float], path: Path) -> Recognised:
    towers = [piece for piece in pieces if piece.towers is not None]
    networks = [piece for piece in pieces if piece.network is not None]
    if len(towers) > 1 or len(networks) > 1:
        raise InvalidInput(f"{path} holds several models at once: save the one that is wanted.")
    for piece in pieces:
        facts = {**facts, **piece.facts}
    if not networks:
        return Recognised(towers[0].method, towers[0].towers, openai=towers[0].openai, facts=facts)
    (network,) = networks
    return Recognised(
        network.method,
        towers[0].towers if towers else None,
        network.network,
        network.network_kind,
        openai=True if towers else None,
        facts=facts,
    )


def _tensors(values: Mapping[str, Any]) -> dict[str, Tensor]:
    """Those with a name; an optimiser numbers its own."""
    return {
        name: value
        for name, value in values.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }


def _without_prefix(state: State, prefix: str) -> dict[str, Tensor]:
    everywhere = all(name.startswith(prefix) for name in state)
    return {name.removeprefix(prefix) if everywhere else name: t for name, t in state.items()}


def _facts(found: Mapping[str, Any]) -> dict[str, float]:
    epoch = found.get("epoch")
    return {"epoch": epoch} if isinstance(epoch, int) else {}


def _no_clip(path: Path, method: str) -> InvalidInput:
    return InvalidInput(
        f"{path} is of {method}, whose model is more than CLIP's two towers and cannot answer "
        "here: import a checkpoint of CLIP4Cir, SPN4CIR on CLIP, Pic2Word, LinCIR or SEARLE."
    )


def _unknown(found: Mapping[str, Any], path: Path) -> InvalidInput:
    first = ", ".join(map(str, list(found)[:3])) or "nothing"
    return InvalidInput(
        f"{path} is of no kind that is known (it begins with {first}): import a checkpoint of "
        "CLIP4Cir, SPN4CIR on CLIP, Pic2Word, LinCIR or SEARLE, or weights of a CLIP."
    )
