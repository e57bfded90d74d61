"""The trained networks of the published methods, under the names of their checkpoints.

Sizes can be read off a state dict alone, so nothing else has to be kept to load one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.errors import InvalidInput

NetworkKind = Literal["combiner", "phi", "im2text"]


class Combiner(nn.Module):
    """CLIP4Cir's Combiner: words and picture weighed against each other, and what neither says.

    Baldrati et al. 2022, "Conditioned and composed image retrieval combining and partially
    fine-tuning CLIP-based features", section 3.2. Published sizes: dim 640, projection_dim 2,560,
    hidden_dim 5,120.
    """

    def __init__(
        self, dim: int, projection_dim: int, hidden_dim: int, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.dim = dim
        self.text_projection_layer = nn.Linear(dim, projection_dim)
        self.image_projection_layer = nn.Linear(dim, projection_dim)
        self.combiner_layer = nn.Linear(2 * projection_dim, hidden_dim)
        self.output_layer = nn.Linear(hidden_dim, dim)
        self.dynamic_scalar = nn.Sequential(
            nn.Linear(2 * projection_dim, hidden_dim),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, 1),
            nn.Sigmoid(),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, image_features: Tensor, text_features: Tensor) -> Tensor:
        """Un-normalised features, (n, dim) each -> unit query vectors, (n, dim)."""
        text = self.dropout(torch.relu(self.text_projection_layer(text_features)))
        image = self.dropout(torch.relu(self.image_projection_layer(image_features)))
        both = torch.cat([text, image], dim=-1)  # with what dropout left out, for both branches
        mixture = self.output_layer(self.dropout(torch.relu(self.combiner_layer(both))))
        weight = self.dynamic_scalar(both)
        combined = mixture + weight * text_features + (1 - weight) * image_features
        return functional.normalize(combined, dim=-1)


class Phi(nn.Module):
    """The inversion network of SEARLE and LinCIR: an image feature to a pseudo token.

    Baldrati et al. 2023, "Zero-shot composed image retrieval with textual inversion", section 3.2;
    Gu et al. 2024, "Language-only efficient training of zero-shot composed image retrieval".
    """

    def __init__(
        self, dim: int, token_width: int, hidden_dim: int | None = None, dropout: float = 0.5
    ) -> None:
        """hidden_dim: four times dim unless given."""
        super().__init__()
        self.dim, self.token_width = dim, token_width
        hidden = 4 * dim if hidden_dim is None else hidden_dim
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, token_width),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Un-normalised features, (n, dim) -> pseudo tokens, (n, token_width)."""
        pseudo: Tensor = self.layers(features)
        return pseudo


class Im2Text(nn.Module):
    """Pic2Word's mapping network, whose dropout stands before each ReLU.

    Saito et al. 2023, "Pic2Word: mapping pictures to words for zero-shot composed image
    retrieval", section 3.1.
    """

    def __init__(
        self,
        dim: int,
        token_width: int,
        middle: int = 512,
        layers: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.dim, self.token_width = dim, token_width
        widths = [dim] + [middle] * layers
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(wide, middle), nn.Dropout(dropout), nn.ReLU())
                for wide in widths[:-1]
            )
        )
        self.fc_out = nn.Linear(widths[-1], token_width)

    def forward(self, features: Tensor) -> Tensor:
        """Un-normalised features, (n, dim) -> pseudo tokens, (n, token_width)."""
        pseudo: Tensor = self.fc_out(self.layers(features))
        return pseudo


Network = Combiner | Phi | Im2Text
Shapes = Mapping[str, tuple[int, ...]]


def network_of(kind: NetworkKind, state: Mapping[str, Tensor]) -> Network:
    """The network that a state dict is of, with its weights as float32, ready to answer.

    Raises InvalidInput where a tensor is missing, too many, or of a size that does not fit.
    """
    make = _MAKERS[kind]
    try:
        with torch.device("meta"):
            network = make({name: tuple(tensor.shape) for name, tensor in state.items()})
        weights = {name: tensor.detach().float() for name, tensor in state.items()}
        network.load_state_dict(weights, assign=True)
    except (KeyError, ValueError, RuntimeError) as error:
        raise InvalidInput(
            f"The weights are not those of a network of the kind {kind} "
            f"({_reason(error)}): check which method they are of."
        ) from error
    network.requires_grad_(False).eval()
    return network


def _combiner(shapes: Shapes) -> Combiner:
    projection_dim, dim = _matrix(shapes, "text_projection_layer.weight")
    hidden_dim, _ = _matrix(shapes, "combiner_layer.weight")
    return Combiner(dim, projection_dim, hidden_dim)


def _phi(shapes: Shapes) -> Phi:
    hidden_dim, dim = _matrix(shapes, "layers.0.weight")
    token_width, _ = _matrix(shapes, "layers.6.weight")
    return Phi(dim, token_width, hidden_dim)


def _im2text(shapes: Shapes) -> Im2Text:
    middle, dim = _matrix(shapes, "layers.0.0.weight")
    token_width, _ = _matrix(shapes, "fc_out.weight")
    layers = sum(name.startswith("layers.") and name.endswith(".0.weight") for name in shapes)
    return Im2Text(dim, token_width, middle, layers)


_MAKERS: Mapping[NetworkKind, Callable[[Shapes], Network]] = {
    "combiner": _combiner,
    "phi": _phi,
    "im2text": _im2text,
}


def _matrix(shapes: Shapes, name: str) -> tuple[int, int]:
    if len(shapes[name]) != 2:
        raise ValueError(f"{name} is {shapes[name]}, not a matrix")
    rows, columns = shapes[name]
    return rows, columns


def _reason(error: Exception) -> str:
    """The first thing that torch complains of, on one line."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if len(lines) == 1 else lines[1].rstrip(".")
