"""What the published models answer, worked out in plain torch from their state dicts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

State = Mapping[str, Tensor]


def image_features(state: State, images: Tensor) -> Tensor:
    """OpenAI's image tower on normalised pixels (n, 3, size, size): (n, dim), un-normalised."""
    tower = _below(state, "visual.")
    return _vit(tower, images) if "proj" in tower else _resnet(tower, images)


def text_features(
    state: State, tokens: Tensor, pseudo: Tensor | None = None, at: Tensor | None = None
) -> Tensor:
    """OpenAI's text tower on (n, 77) ids; position at[r] of row r holds pseudo[r], if given."""
    hidden = state["token_embedding.weight"][tokens]
    if pseudo is not None and at is not None:
        hidden[torch.arange(len(tokens)), at] = pseudo
    length = tokens.shape[1]
    hidden = hidden + state["positional_embedding"]
    mask = torch.full((length, length), -math.inf).triu(1)
    hidden = _transformer(_below(state, "transformer."), hidden, mask)
    hidden = _norm(_below(state, "ln_final."), hidden)
    return hidden[torch.arange(len(tokens)), tokens.argmax(dim=1)] @ state["text_projection"]


def combined(state: State, image: Tensor, text: Tensor) -> Tensor:
    """CLIP4Cir's Combiner (Baldrati et al. 2022) without dropout: unit (n, dim)."""
    both = torch.cat(
        [
            functional.relu(_linear(state, "text_projection_layer", text)),
            functional.relu(_linear(state, "image_projection_layer", image)),
        ],
        dim=1,
    )
    mixture = _linear(
        state, "output_layer", functional.relu(_linear(state, "combiner_layer", both))
    )
    hidden = functional.relu(_linear(state, "dynamic_scalar.0", both))
    weight = torch.sigmoid(_linear(state, "dynamic_scalar.3", hidden))
    return functional.normalize(mixture + weight * text + (1 - weight) * image)


def phi(state: State, image: Tensor) -> Tensor:
    """SEARLE's and LinCIR's network without dropout: (n, token width)."""
    hidden = functional.gelu(_linear(state, "layers.0", image))
    hidden = functional.gelu(_linear(state, "layers.3", hidden))
    return _linear(state, "layers.6", hidden)


def im2text(state: State, image: Tensor) -> Tensor:
    """Pic2Word's network without dropout: (n, token width)."""
    hidden = functional.relu(_linear(state, "layers.0.0", image))
    hidden = functional.relu(_linear(state, "layers.1.0", hidden))
    return _linear(state, "fc_out", hidden)


def _below(state: State, prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def _linear(state: State, name: str, rows: Tensor) -> Tensor:
    return rows @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def _norm(state: State, rows: Tensor) -> Tensor:
    return functional.layer_norm(rows, rows.shape[-1:], state["weight"], state["bias"])


def _transformer(state: State, hidden: Tensor, mask: Tensor | None) -> Tensor:
    layers = {name.split(".")[1] for name in state}
    for layer in sorted(layers, key=int):
        block = _below(state, f"resblocks.{layer}.")
        seen = _norm(_below(block, "ln_1."), hidden)
        joint = seen @ block["attn.in_proj_weight"].T + block["attn.in_proj_bias"]
        queries, keys, values = joint.chunk(3, -1)
        answers = _attended(queries, keys, values, 64, mask)
        hidden = hidden + _linear(block, "attn.out_proj", answers)
        inner = _linear(block, "mlp.c_fc", _norm(_below(block, "ln_2."), hidden))
        quick_gelu = inner * torch.sigmoid(1.702 * inner)
        hidden = hidden + _linear(block, "mlp.c_proj", quick_gelu)
    return hidden


def _attended(
    queries: Tensor, keys: Tensor, values: Tensor, head: int, mask: Tensor | None
) -> Tensor:
    """Attention in heads of `head` numbers: (n, length, width)."""
    answers = []
    for one in range(0, queries.shape[-1], head):
        part = slice(one, one + head)
        scores = queries[..., part] @ keys[..., part].transpose(1, 2) / math.sqrt(head)
        weights = torch.softmax(scores if mask is None else scores + mask, dim=-1)
        answers.append(weights @ values[..., part])
    return torch.cat(answers, dim=-1)


def _vit(tower: State, images: Tensor) -> Tensor:
    patch = tower["conv1.weight"].shape[-1]
    hidden = functional.conv2d(images, tower["conv1.weight"], stride=patch).flatten(2).mT
    first = tower["class_embedding"].expand(len(images), 1, -1)
    hidden = torch.cat([first, hidden], dim=1) + tower["positional_embedding"]
    hidden = _norm(_below(tower, "ln_pre."), hidden)
    hidden = _transformer(_below(tower, "transformer."), hidden, None)
    return _norm(_below(tower, "ln_post."), hidden[:, 0]) @ tower["proj"]


def _resnet(tower: State, images: Tensor) -> Tensor:
    """OpenAI's ResNet: three convolutions first, pooling instead of strides, attention last."""
    hidden = images
    for number, stride in ((1, 2), (2, 1), (3, 1)):
        hidden = functional.conv2d(hidden, tower[f"conv{number}.weight"], None, stride, 1)
        hidden = functional.relu(_batch_norm(tower, f"bn{number}", hidden))
    hidden = functional.avg_pool2d(hidden, 2)
    for stage in range(1, 5):
        blocks = sorted({n.split(".")[1] for n in tower if n.startswith(f"layer{stage}.")}, key=int)
        for block in blocks:
            stride = 2 if stage > 1 and block == "0" else 1
            hidden = _bottleneck(_below(tower, f"layer{stage}.{block}."), hidden, stride)
    return _attention_pool(_below(tower, "attnpool."), hidden, head=64)


def _bottleneck(block: State, hidden: Tensor, stride: int) -> Tensor:
    out = functional.relu(
        _batch_norm(block, "bn1", functional.conv2d(hidden, block["conv1.weight"]))
    )
    out = functional.conv2d(out, block["conv2.weight"], padding=1)
    out = functional.relu(_batch_norm(block, "bn2", out))
    out = functional.avg_pool2d(out, stride) if stride > 1 else out
    out = _batch_norm(block, "bn3", functional.conv2d(out, block["conv3.weight"]))
    if "downsample.0.weight" in block:
        hidden = functional.avg_pool2d(hidden, stride) if stride > 1 else hidden
        hidden = functional.conv2d(hidden, block["downsample.0.weight"])
        hidden = _batch_norm(block, "downsample.1", hidden)
    return functional.relu(out + hidden)


def _attention_pool(pool: State, hidden: Tensor, head: int) -> Tensor:
    rows = hidden.flatten(2).mT
    rows = torch.cat([rows.mean(dim=1, keepdim=True), rows], dim=1) + pool["positional_embedding"]
    queries, keys, values = (_linear(pool, f"{name}_proj", rows) for name in "qkv")
    return _linear(pool, "c_proj", _attended(queries, keys, values, head, None))[:, 0]


def _batch_norm(state: State, name: str, rows: Tensor) -> Tensor:
    part = _below(state, f"{name}.")
    return functional.batch_norm(
        rows, part["running_mean"], part["running_var"], part["weight"], part["bias"]
    )
