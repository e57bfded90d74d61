"""Training steps as the published codes take them: frozen towers run again in every step, texts
run whole, and gradients are computed for weights that nobody moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.published.towers import whole_texts, with_last_word, with_pseudo_tokens

Model = Any
CHUNK = 32  # pictures and texts that a tower is given at a time
SCALE = 100.0


def combiner_epoch(
    model: Model,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: Sequence[tuple[Tensor, Tensor, Tensor]],
) -> float:
    """An epoch of CLIP4Cir's second stage (Baldrati et al. 2022, section 3.2), its mean loss.

    batches: pictures of references and targets, (n, 3, size, size) each, and texts, (n, context):
    all three are encoded in every step of every epoch.
    """
    losses = []
    for references, targets, tokens in batches:
        with torch.no_grad():
            seen = torch.cat([model.encode_image(part) for part in references.split(CHUNK)])
            wanted = torch.cat([model.encode_image(part) for part in targets.split(CHUNK)])
            told = torch.cat([whole_texts(model, part) for part in tokens.split(CHUNK)])
        logits = SCALE * network(seen, told) @ functional.normalize(wanted, dim=-1).T
        loss = functional.cross_entropy(logits, torch.arange(len(logits)))
        _moved(loss, optimiser)
        losses.append(loss.item())
    return sum(losses) / len(losses)


def lincir_step(
    model: Model,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    captions: Tensor,
    masked: tuple[Tensor, Tensor],
    noise: float = 1.0,
) -> float:
    """A step of self-masking projection (Gu et al. 2024, section 3.2), its loss.

    captions: (n, context) ids; masked: the same with their keywords masked, and where.
    """
    with torch.no_grad():
        whole = whole_texts(model, captions)
    noisy = whole + noise * torch.rand(len(whole), 1) * torch.randn_like(whole)
    loss = functional.mse_loss(with_pseudo_tokens(model, *masked, network(noisy)), whole)
    _moved(loss, optimiser)
    return loss.item()


def pic2word_step(
    model: Model,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    pictures: Tensor,
    prompt: Tensor,
) -> float:
    """A step of Pic2Word (Saito et al. 2023, section 3.1), its loss: pictures (n, 3, size, size)
    against their words behind a prompt (context,)."""
    with torch.no_grad():
        seen = model.encode_image(pictures)
    told = with_last_word(model, prompt, network(seen))
    images, texts = functional.normalize(seen, dim=-1), functional.normalize(told, dim=-1)
    logits = model.logit_scale.exp().detach() * images @ texts.T
    right = torch.arange(len(logits))
    loss = functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right)
    _moved(loss / 2, optimiser)
    return loss.item() / 2


def bank(model: Model, batches: Iterator[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """SPN4CIR's two banks (Feng et al. 2024): the references' features as they are, and those of
    all pictures of unit length, from the pictures of every triplet, (n, 3, size, size) each."""
    references, targets = torch.empty(0), torch.empty(0)
    for first, second in batches:
        with torch.no_grad():
            seen, wanted = model.encode_image(first), model.encode_image(second)
        references = torch.vstack((references, seen)) if len(references) else seen
        targets = torch.vstack((targets, wanted)) if len(targets) else wanted
    both = torch.vstack((references, targets))
    return references, functional.normalize(both, dim=-1)


def _moved(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    optimiser.step()
