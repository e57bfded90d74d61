"""Which of open_clip's architectures a state dict fits, found by names and shapes.

OpenAI's models have the same names and shapes as open_clip's that were trained with another
activation: only who wrote the file tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.coca_model import CoCa
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.transformer import QuickGELU
from torch import Tensor

from backend.errors import InvalidInput

Shapes = Mapping[str, tuple[int, ...]]
_COUNTER = "num_batches_tracked"  # of BatchNorm; not read in eval mode, and often not saved


@dataclass(frozen=True)
class Fit:
    """A state dict over an architecture: names it lacks, and names that the architecture lacks."""

    name: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    clashes: tuple[str, ...]

    @property
    def distance(self) -> int:
        """How many tensors do not agree."""
        return len(self.missing) + len(self.unexpected) + len(self.clashes)


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor by its name."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def architecture_of(shapes: Shapes, openai: bool | None, path: Path) -> Fit:
    """The architecture that the shapes fit best, none of them of another size.

    openai: whether the weights were made with OpenAI's package (QuickGELU); None if not known.

    Raises InvalidInput where none fits, or several that differ in what shapes do not show.
    """
    names = [name for name in _plausible(shapes) if not openai or _is_quick(name)]
    fits = [fit for fit in (fit_of(shapes, name) for name in names) if not fit.clashes]
    best = [fit for fit in fits if fit.distance == min(other.distance for other in fits)]
    if not best:
        raise InvalidInput(
            f"The weights in {path} are of no architecture of open_clip: if they are of one all "
            "the same, name it with --backbone to see what differs."
        )
    if len(best) > 1:
        several = " and ".join(fit.name for fit in best)
        raise InvalidInput(
            f"The weights in {path} fit {several}, which differ in what no shape shows: say which "
            "with --backbone (models of OpenAI are those that end in -quickgelu)."
        )
    return best[0]


def fit_of(shapes: Shapes, name: str) -> Fit:
    """How a state dict fits one architecture; nothing of its size is allocated."""
    return compared(shapes, shapes_of(skeleton(name).state_dict()), name)


def compared(shapes: Shapes, wanted: Shapes, name: str) -> Fit:
    """How the shapes of a state dict fit those of a model that is called `name`."""
    clashes = tuple(
        f"{key} is {shapes[key]} instead of {shape}"
        for key, shape in wanted.items()
        if key in shapes and shapes[key] != shape and not _both_single(shapes[key], shape)
    )
    missing = (key for key in wanted if key not in shapes and not key.endswith(_COUNTER))
    unexpected = (key for key in shapes if key not in wanted)
    return Fit(name, tuple(missing), tuple(unexpected), clashes)


def skeleton(name: str) -> Any:
    """An open_clip module without weights, on the meta device; InvalidInput for no such name."""
    facts = _config(name)
    custom = facts.pop("custom_text", False)
    kind = CoCa if "multimodal_cfg" in facts else CustomTextCLIP if custom else CLIP
    with torch.device("meta"):
        return kind(**facts)


def _config(name: str) -> dict[str, Any]:
    facts: dict[str, Any] | None = open_clip.get_model_config(name.replace("/", "-"))
    if facts is None:
        raise InvalidInput(f"There is no architecture {name!r} in open_clip: check its spelling.")
    if "hf_model_name" in facts["text_cfg"]:
        raise InvalidInput(
            f"The text tower of {name} is a Hugging Face model, whose weights are not converted: "
            "name the model with --backbone and --pretrained where it is used."
        )
    return facts


def _plausible(shapes: Shapes) -> Iterator[str]:
    """The architectures whose configuration does not speak against the shapes."""
    words = shapes.get("token_embedding.weight", shapes.get("text.token_embedding.weight"))
    patch = shapes.get("visual.conv1.weight")
    dim = shapes.get("text_projection", shapes.get("text.text_projection", ()))[-1:]
    depth = len({n.split("resblocks.")[1].split(".")[0] for n in shapes if _of_text(n)})
    for name in open_clip.list_models():
        facts = open_clip.get_model_config(name)
        text = facts["text_cfg"]
        known = (text.get("vocab_size", 49408), text.get("width", 512))  # open_clip's defaults
        if "hf_model_name" in text or words != known or text.get("layers", 12) != depth:
            continue
        if dim in ((), (facts["embed_dim"],)) and _sees_so(facts["vision_cfg"], patch):
            yield name


def _of_text(name: str) -> bool:
    return name.startswith(("transformer.resblocks.", "text.transformer.resblocks."))


def _sees_so(vision: Mapping[str, Any], patch: tuple[int, ...] | None) -> bool:
    """Whether an image tower's first convolution has these sizes; timm's have none so named."""
    if patch is None or "timm_model_name" in vision:
        return patch is None and "timm_model_name" in vision
    width = vision["width"]
    if isinstance(vision.get("layers"), list):  # a ResNet begins with half its width
        return patch == (width // 2, 3, 3, 3)
    return patch == (width, 3, vision["patch_size"], vision["patch_size"])


def _is_quick(name: str) -> bool:
    return bool(open_clip.get_model_config(name).get("quick_gelu", False))


def check_quick(model: Any, name: str, openai: bool | None, path: Path) -> None:
    """Raises InvalidInput where weights of OpenAI's package, whose text tower has QuickGELU, would
    go into a model that has not: every tensor fits, and every answer would be a little wrong."""
    if openai and not any(isinstance(module, QuickGELU) for module in model.modules()):
        raise InvalidInput(
            f"The weights in {path} were made with QuickGELU, and {name} has GELU: name the "
            "architecture that ends in -quickgelu with --backbone, or leave it out."
        )


def _both_single(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """A temperature is written as () or (1,)."""
    return {one, other} == {(), (1,)}


def first_few(names: Sequence[str]) -> str:
    """The first three, and how many more there are."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def refuse_clashes(fit: Fit, path: Path) -> None:
    """Raises InvalidInput where a tensor has another size than the architecture's."""
    if fit.clashes:
        raise InvalidInput(
            f"The weights in {path} are of another architecture than {fit.name} "
            f"({first_few(fit.clashes)}): leave out --backbone to have it found."
        )
