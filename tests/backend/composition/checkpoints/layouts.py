"""The published layouts, written out by hand: names and shapes, at any size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Size:
    """The numbers that an OpenAI CLIP is made of; `layers` of a ResNet are four."""

    dim: int
    image: int
    layers: int | tuple[int, int, int, int]
    width: int
    patch: int
    text_width: int
    text_layers: int = 12

    @property
    def config(self) -> dict[str, object]:
        """As open_clip writes it."""
        layers = self.layers if isinstance(self.layers, int) else list(self.layers)
        vision = {"image_size": self.image, "layers": layers, "width": self.width}
        return {
            "embed_dim": self.dim,
            "vision_cfg": {**vision, "patch_size": self.patch or None},
            "text_cfg": {
                "context_length": 77,
                "vocab_size": 49408,
                "width": self.text_width,
                "heads": self.text_width // 64,
                "layers": self.text_layers,
            },
        }


OPENAI = {
    "RN50": Size(1024, 224, (3, 4, 6, 3), 64, 0, 512),
    "RN101": Size(512, 224, (3, 4, 23, 3), 64, 0, 512),
    "RN50x4": Size(640, 288, (4, 6, 10, 6), 80, 0, 640),
    "RN50x16": Size(768, 384, (6, 8, 18, 8), 96, 0, 768),
    "RN50x64": Size(1024, 448, (3, 15, 36, 10), 128, 0, 1024),
    "ViT-B-32": Size(512, 224, 12, 768, 32, 512),
    "ViT-B-16": Size(512, 224, 12, 768, 16, 512),
    "ViT-L-14": Size(768, 224, 24, 1024, 14, 768),
    "ViT-L-14-336": Size(768, 336, 24, 1024, 14, 768),
}
TINY = Size(16, 32, 2, 128, 16, 64, 2)
TINY_RESNET = Size(16, 64, (1, 2, 1, 1), 8, 0, 64, 2)


def openai_clip(size: Size) -> Shapes:
    """Every tensor of a CLIP as OpenAI named them."""
    words: Shapes = {
        "positional_embedding": (77, size.text_width),
        "text_projection": (size.text_width, size.dim),
        "logit_scale": (),
        "token_embedding.weight": (49408, size.text_width),
        **_norm("ln_final", size.text_width),
        **_transformer("transformer", size.text_width, size.text_layers),
    }
    tower = _vit(size, size.layers) if isinstance(size.layers, int) else _resnet(size, size.layers)
    return {**words, **{f"visual.{name}": shape for name, shape in tower.items()}}


def combiner(dim: int, projection: int, hidden: int) -> Shapes:
    return {
        **_linear("text_projection_layer", dim, projection),
        **_linear("image_projection_layer", dim, projection),
        **_linear("combiner_layer", 2 * projection, hidden),
        **_linear("output_layer", hidden, dim),
        **_linear("dynamic_scalar.0", 2 * projection, hidden),
        **_linear("dynamic_scalar.3", hidden, 1),
    }


def phi(dim: int, hidden: int, width: int) -> Shapes:
    return {
        **_linear("layers.0", dim, hidden),
        **_linear("layers.3", hidden, hidden),
        **_linear("layers.6", hidden, width),
    }


def im2text(dim: int, middle: int, width: int) -> Shapes:
    return {
        **_linear("layers.0.0", dim, middle),
        **_linear("layers.1.0", middle, middle),
        **_linear("fc_out", middle, width),
    }


def filled(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Random weights of these shapes; variances are positive, norms near one, counters zero."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.int64)
            continue
        noise = torch.randn(shape, generator=generator)
        fan = shape[-1] if len(shape) == 2 else max(1, int(torch.tensor(shape[1:]).prod()))
        one = "running_var" in name or ("weight" in name and len(shape) == 1)
        state[name] = 1 + 0.1 * noise.abs() if one else noise / fan**0.5
    return state


def empty(shapes: Shapes) -> dict[str, Tensor]:
    """The same on the meta device: shapes without memory."""
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def _linear(name: str, wide: int, out: int) -> Shapes:
    return {f"{name}.weight": (out, wide), f"{name}.bias": (out,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _batch_norm(name: str, width: int) -> Shapes:
    means = {f"{name}.running_mean": (width,), f"{name}.running_var": (width,)}
    return {**_norm(name, width), **means, f"{name}.num_batches_tracked": ()}


def _transformer(name: str, width: int, layers: int) -> Shapes:
    found: Shapes = {}
    for layer in range(layers):
        block = f"{name}.resblocks.{layer}"
        found |= {
            f"{block}.attn.in_proj_weight": (3 * width, width),
            f"{block}.attn.in_proj_bias": (3 * width,),
            **_linear(f"{block}.attn.out_proj", width, width),
            **_norm(f"{block}.ln_1", width),
            **_linear(f"{block}.mlp.c_fc", width, 4 * width),
            **_linear(f"{block}.mlp.c_proj", 4 * width, width),
            **_norm(f"{block}.ln_2", width),
        }
    return found


def _vit(size: Size, layers: int) -> Shapes:
    return {
        "class_embedding": (size.width,),
        "positional_embedding": ((size.image // size.patch) ** 2 + 1, size.width),
        "proj": (size.width, size.dim),
        "conv1.weight": (size.width, 3, size.patch, size.patch),
        **_norm("ln_pre", size.width),
        **_transformer("transformer", size.width, layers),
        **_norm("ln_post", size.width),
    }


def _resnet(size: Size, layers: tuple[int, ...]) -> Shapes:
    width = size.width
    found: Shapes = {"conv1.weight": (width // 2, 3, 3, 3), **_batch_norm("bn1", width // 2)}
    found |= {"conv2.weight": (width // 2, width // 2, 3, 3), **_batch_norm("bn2", width // 2)}
    found |= {"conv3.weight": (width, width // 2, 3, 3), **_batch_norm("bn3", width)}
    wide = width
    for stage, count in enumerate(layers):
        for block in range(count):
            planes = width * 2**stage
            found |= _bottleneck(f"layer{stage + 1}.{block}", wide, planes, first=block == 0)
            wide = 4 * planes
    return {**found, **_attention_pool(wide, size)}


def _bottleneck(name: str, wide: int, planes: int, *, first: bool) -> Shapes:
    found: Shapes = {
        f"{name}.conv1.weight": (planes, wide, 1, 1),
        **_batch_norm(f"{name}.bn1", planes),
        f"{name}.conv2.weight": (planes, planes, 3, 3),
        **_batch_norm(f"{name}.bn2", planes),
        f"{name}.conv3.weight": (4 * planes, planes, 1, 1),
        **_batch_norm(f"{name}.bn3", 4 * planes),
    }
    if first:
        found[f"{name}.downsample.0.weight"] = (4 * planes, wide, 1, 1)
        found |= _batch_norm(f"{name}.downsample.1", 4 * planes)
    return found


def _attention_pool(wide: int, size: Size) -> Shapes:
    projections = (_linear(f"attnpool.{part}_proj", wide, wide) for part in "kqv")
    found: Shapes = {"attnpool.positional_embedding": ((size.image // 32) ** 2 + 1, wide)}
    for projection in projections:
        found |= projection
    return {**found, **_linear("attnpool.c_proj", wide, size.dim)}
