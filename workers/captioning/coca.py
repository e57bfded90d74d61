"""Captions from an open_clip CoCa (Yu et al. 2022, "CoCa: Contrastive Captioners are Image-Text
Foundation Models"), with weights from a file of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from backend.encoding.decoding import decode_image
from backend.errors import AkinError, InvalidInput
from workers.captioning.captions import Cancelled, Captions, Report, tidy

Model = Any  # open_clip has no types
Pixels = NDArray[np.uint8]

MOST_TOKENS = 30
LEAST_TOKENS = 5


class CocaCaptioner:
    """Greedy captions, a batch of pictures at a time, the same on every run."""

    name = "coca"

    def __init__(self, backbone: Backbone, batch: int = 16) -> None:
        self._backbone = backbone
        self._batch = batch

    def caption(
        self,
        pictures: Mapping[str, Path],
        categories: Mapping[str, str],
        report: Report,
        cancelled: Cancelled,
    ) -> Captions:
        texts: dict[str, str] = {}
        failed: dict[str, str] = {}
        for names in _batches(pictures, self._batch):
            if cancelled():
                return Captions(texts, failed, complete=False)
            pixels = self._pixels({name: pictures[name] for name in names}, failed)
            for name, text in zip(pixels, self._sentences(list(pixels.values())), strict=True):
                if text:
                    texts[name] = text
                else:
                    failed[name] = "the model said nothing about it"
            report("captions", len(texts) + len(failed), len(pictures))
        return Captions(texts, failed)

    def _pixels(self, pictures: Mapping[str, Path], failed: dict[str, str]) -> dict[str, Pixels]:
        """The pixels of each picture that can be read; why the others cannot goes to `failed`."""
        see = self._backbone.preprocessing
        found = {}
        for name, path in pictures.items():
            try:
                found[name] = see.pixels(
                    decode_image(path.read_bytes(), draft=see.draft, name=str(path))
                )
            except AkinError as error:
                failed[name] = error.sentence
            except OSError as error:
                failed[name] = f"{path} cannot be read ({error.strerror})"
        return found

    def _sentences(self, pixels: Sequence[Pixels]) -> list[str]:
        if not pixels:
            return []
        see, device = self._backbone.preprocessing, self._backbone.device
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (see.mean, see.std))
        batch = (torch.from_numpy(np.stack(pixels)).float() - mean) / std
        return [_words(row) for row in greedy(self._backbone.model, batch.to(device))]


def load_coca(
    architecture: str, weights: Path | None, device: str = "auto", batch: int = 16
) -> CocaCaptioner:
    """The captioner of an open_clip architecture such as `coca_ViT-L-14`, or `local-dir:PATH`.

    weights: a .safetensors or .pt file, read without executing anything.
    Raises InvalidInput where the architecture writes no captions, or not in CLIP's tokens, and
    where the weights are missing, damaged or of another one; SetupError where the device is not
    there.
    """
    spec = BackboneSpec(architecture, None if weights is None else str(weights))
    backbone = load_backbone(spec, device)
    decoder = getattr(backbone.model, "text_decoder", None)
    if decoder is None or not hasattr(backbone.model.text, "token_embedding"):
        raise InvalidInput(
            f"{architecture} writes no captions in CLIP's tokens: choose coca_ViT-B-32 or "
            "coca_ViT-L-14 with its weights."
        )
    return CocaCaptioner(backbone, batch)


@torch.inference_mode()
def greedy(
    model: Model, images: Tensor, most: int = MOST_TOKENS, least: int = LEAST_TOKENS
) -> Tensor:
    """The likeliest token at each place: (batch, at most `most`) ids, the start included.

    images: (batch, 3, size, size), normalised. A caption ends with EOT, which is not among the
    first `least` tokens, and comes at the latest where `most` or the model's context end; what
    follows it is padding. The pictures are seen once. open_clip's own `generate` does the same with
    top_k=1, but needs the transformers package, and for its beams an old one.
    """
    start, end = _tokenizer().sot_token_id, _tokenizer().eot_token_id
    latent, patches = model._encode_image(images)
    tokens = torch.full((len(images), 1), start, device=images.device)
    done = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    most = min(most, model.context_length)
    while tokens.shape[1] < most and not done.all():
        out = model(None, tokens, image_latent=latent, image_embs=patches, output_labels=False)
        scores = out["logits"][:, -1]
        if tokens.shape[1] < least:
            scores[:, end] = -torch.inf
        last = tokens.shape[1] == most - 1
        chosen = torch.full_like(tokens[:, 0], end) if last else scores.argmax(dim=-1)
        tokens = torch.cat([tokens, chosen.masked_fill(done, model.pad_id)[:, None]], dim=1)
        done |= chosen == end
    return tokens


@cache
def _tokenizer() -> open_clip.SimpleTokenizer:
    return open_clip.SimpleTokenizer()


def _words(tokens: Tensor) -> str:
    """What a row of tokens says between start and end."""
    start, end = _tokenizer().sot_token_id, _tokenizer().eot_token_id
    ids = tokens.tolist()
    said = ids[: ids.index(end)] if end in ids else ids
    return tidy(_tokenizer().decode([token for token in said if token != start]))


def _batches(pictures: Mapping[str, Path], size: int) -> Iterator[list[str]]:
    names = iter(pictures)
    while batch := list(islice(names, size)):
        yield batch
