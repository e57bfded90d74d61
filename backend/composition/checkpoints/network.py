"""The network of a checkpoint, and whether it fits the towers that it is to answer over."""

from __future__ import annotations

import torch

from backend.composition.checkpoints.recognising import Recognised, State
from backend.composition.networks import Combiner, Im2Text, Network, Phi, network_of
from backend.encoding.backbone import Backbone
from backend.errors import InvalidInput


def network_in(found: Recognised) -> tuple[Network | None, tuple[str, ...]]:
    """The network, none of its tensors missing, and the names of tensors that are not its own.

    Raises InvalidInput as `network_of`, and for weights that are not finite.
    """
    if found.network is None or found.network_kind is None:
        return None, ()
    with torch.device("meta"):
        kinds = {"combiner": Combiner(1, 1, 1), "phi": Phi(1, 1), "im2text": Im2Text(1, 1)}
    layers = tuple(f"{name}." for name, _ in kinds[found.network_kind].named_children())
    own = {name: tensor for name, tensor in found.network.items() if name.startswith(layers)}
    network = network_of(found.network_kind, own)
    if not all(bool(torch.isfinite(tensor).all()) for tensor in own.values()):
        raise InvalidInput("The network has weights that are no numbers: download it again.")
    return network, tuple(name for name in found.network if name not in own)


def sizes_of_towers(towers: State) -> tuple[int | None, int | None]:
    """The features' and the tokens' width of a CLIP in OpenAI's names; None where not told."""
    projection, words = towers.get("text_projection"), towers.get("token_embedding.weight")
    dim = None if projection is None else projection.shape[-1]
    return dim, None if words is None else words.shape[-1]


def check_over_backbone(network: Network, backbone: Backbone) -> None:
    """Raises InvalidInput where the backbone's sizes are not the network's."""
    width = None if isinstance(network, Combiner) else backbone.token_width
    check_sizes(network, f"the backbone {backbone.spec.name}", backbone.dim, width)


def check_sizes(network: Network, whose: str, dim: int | None, token_width: int | None) -> None:
    """Raises InvalidInput where features or tokens have other sizes than the network's."""
    pairs = [("features", network.dim, dim)]
    if not isinstance(network, Combiner):
        pairs.append(("numbers in a token", network.token_width, token_width))
    for what, wanted, has in pairs:
        if has is not None and wanted != has:
            raise InvalidInput(
                f"The network is made for {wanted} {what}, and {whose} has {has}: name the "
                "backbone that it was trained on."
            )
