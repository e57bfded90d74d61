"""A backbone: an image tower and a text tower with what is needed to use them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.encoding.loading import Parts, architecture_facts, read_parts
from backend.encoding.preprocessing import Preprocessing
from backend.encoding.spec import DEMO, BackboneSpec
from backend.encoding.towers import Model, eot_positions, text_features, trims
from backend.encoding.vocabulary import Vocabulary
from backend.errors import AkinError, SetupError

Features = NDArray[np.float32]
__all__ = ["Backbone", "BackboneSpec", "BadFeatures", "load_backbone", "wrap"]

TOKENS_COUNTED = 4096  # texts longer than this are cut anyway, wherever their end is


class BadFeatures(AkinError):
    """Features that are no direction: NaN, infinite or zero. `rows` of the batch have them."""

    code = "bad-features"

    def __init__(self, rows: Sequence[int], what: str) -> None:
        super().__init__(
            f"The backbone gave no usable features for {len(rows)} of the {what} "
            f"(rows {', '.join(map(str, rows[:10]))}): leave them out, or check its weights."
        )
        self.rows = list(rows)


class Backbone:
    """Pixels and texts in, un-normalised float32 features out. Use `load_backbone` to get one."""

    def __init__(
        self, spec: BackboneSpec, parts: Parts, device: str = "cpu", threads: int | None = None
    ) -> None:
        self.spec = spec
        self.preprocessing = parts.preprocessing
        self.image_size = parts.preprocessing.size
        self.card = parts.card
        self.context_length = parts.context_length
        self.threads = threads
        self._tokenizing = threading.Lock()
        self._vocabulary = _vocabulary(parts.card)
        self.device = torch.device(device)
        self._parts = parts
        self._model = parts.model.eval().to(self.device, memory_format=torch.channels_last)
        self._mean = self._as_channels(parts.preprocessing.mean)
        self._std = self._as_channels(parts.preprocessing.std)
        self.dim = self._probe()

    @property
    def is_demo(self) -> bool:
        """Whether this is the small backbone that knows drawn garments only."""
        return self.spec.name == DEMO

    @property
    def logit_scale(self) -> float:
        """The inverse temperature that the two towers were trained with."""
        return float(self._model.logit_scale.exp().item())

    @property
    def image_mean(self) -> Features | None:
        """(dim,) mean of the unit image features, where the model card has it."""
        return self._card_vector("image_mean")

    @property
    def text_mean(self) -> Features | None:
        """(dim,) mean of the unit text features, where the model card has it."""
        return self._card_vector("text_mean")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the image tower's architecture, its weights and the preprocessing.

        Backbones with one fingerprint see pictures alike and can share a gallery, whatever their
        text towers are.
        """
        facts = {
            "architecture": self._parts.image_config,
            "preprocessing": asdict(self.preprocessing),
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for name, tensor in sorted(self._model.visual.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def encode_images(self, pixels: NDArray[np.uint8], threads: int | None = None) -> Features:
        """(n, 3, size, size) uint8 pixels -> (n, dim) float32 un-normalised features.

        threads: how many threads this call may use, instead of the backbone's own number.
        Raises BadFeatures with the rows that came out NaN, infinite or zero.
        """
        if len(pixels) == 0:
            return np.zeros((0, self.dim), dtype=np.float32)
        self._use_threads(threads)
        return _checked(self._image_features(pixels), "images")

    def encode_texts(self, texts: Sequence[str], threads: int | None = None) -> Features:
        """n texts -> (n, dim) float32 un-normalised features; what is beyond the context is cut.

        threads: how many threads this call may use, instead of the backbone's own number.
        Raises BadFeatures with the rows that came out NaN, infinite or zero.
        """
        if len(texts) == 0:
            return np.zeros((0, self.dim), dtype=np.float32)
        self._use_threads(threads)
        with torch.inference_mode(), self._autocast():
            tokens = self._tokens(texts, self.context_length).to(self.device)
            features = text_features(self._model, tokens)
        return _checked(features, "texts")

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text takes, start and end included, before anything is cut."""
        tokens = self._tokens(texts, TOKENS_COUNTED)
        if trims(self._model):
            return [int(end) + 1 for end in eot_positions(self._model, tokens)]
        return [int(count) for count in (tokens != 0).sum(dim=1)]

    def cut(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text is longer than the backbone reads, so that its end is ignored."""
        return [count > self.context_length for count in self.token_counts(texts)]

    def unseen_words(self, texts: Sequence[str]) -> list[str]:
        """The words of the texts, as typed, that the backbone was never trained on and that could
        matter; none where its card does not list the words it knows."""
        return [] if self._vocabulary is None else self._vocabulary.unseen(texts)

    def _as_channels(self, values: tuple[float, float, float]) -> Tensor:
        """Per-channel values of 0..1 pictures, for pixels of 0..255."""
        return torch.tensor(values, device=self.device).view(1, 3, 1, 1) * 255

    def _use_threads(self, threads: int | None) -> None:
        """Torch keeps this number for each calling thread, so ingest does not slow queries."""
        wanted = threads or self.threads
        if wanted is not None and torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)

    def _image_features(self, pixels: NDArray[np.uint8]) -> Tensor:
        with torch.inference_mode(), self._autocast():
            batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device).float()
            batch = ((batch - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
            features: Tensor = self._model.encode_image(batch)
        return features

    def _probe(self) -> int:
        """The width of the features, seen on one grey picture."""
        size = self.image_size
        return self._image_features(np.full((1, 3, size, size), 127, dtype=np.uint8)).shape[1]

    def _tokens(self, texts: Sequence[str], length: int) -> Tensor:
        """A Hugging Face tokenizer keeps the length in itself, so one call at a time."""
        known = self._vocabulary
        read = list(texts) if known is None else [known.read_as(text) for text in texts]
        with self._tokenizing:
            return self._parts.tokenize(read, length)

    def _card_vector(self, name: str) -> Features | None:
        values = self.card.get(name)
        return None if values is None else np.asarray(values, dtype=np.float32)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, enabled=self.device.type == "cuda")


def _checked(features: Tensor, what: str) -> Features:
    found: Features = features.float().cpu().numpy()
    usable = np.isfinite(found).all(axis=1) & found.any(axis=1)
    if not usable.all():
        raise BadFeatures([int(row) for row in np.flatnonzero(~usable)], what)
    return found


def load_backbone(spec: BackboneSpec, device: str = "auto", threads: int | None = None) -> Backbone:
    """The backbone that `spec` names, ready to encode.

    device: "auto" takes the GPU where there is one. threads: how many threads a call may use.
    Besides the names that `BackboneSpec` lists, `local-dir:PATH` reads a folder laid out as the
    demo's: open_clip_config.json, model.safetensors and, if there, card.json.

    Raises InvalidInput for an unknown architecture or tag, a missing weights file, weights of
    another architecture and files that hold more than tensors; SetupError where the hub or a
    download cannot be reached, or the device is not there.
    """
    where = _device(device)
    return Backbone(spec, read_parts(spec), where, threads)


def wrap(
    model: Model, architecture: dict[str, Any], spec: BackboneSpec, device: str = "cpu"
) -> Backbone:
    """A native open_clip model in memory as a Backbone, as training measures it."""
    size = int(architecture["vision_cfg"]["image_size"])
    context = int(architecture["text_cfg"]["context_length"])
    parts = Parts(
        model=model,
        tokenize=open_clip.SimpleTokenizer(context_length=context),
        preprocessing=Preprocessing(kind=spec.preprocessing, size=size),
        context_length=context,
        image_config=architecture_facts(architecture),
        card={},
    )
    return Backbone(spec, parts, device)


def _vocabulary(card: dict[str, Any]) -> Vocabulary | None:
    words = card.get("vocabulary")
    return None if words is None else Vocabulary(words)


def _device(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SetupError(f"There is no GPU that torch can use as {device!r}: use the device cpu.")
    return device
