"""A backbone: an image tower and a text tower with what is needed to use them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.encoding.devices import resolved_device
from backend.encoding.features import BadFeatures, Features, checked
from backend.encoding.fingerprint import image_fingerprint, text_fingerprint
from backend.encoding.injection import injected_features, token_width
from backend.encoding.loading import Parts, architecture_facts, overlaid, read_parts, text_facts
from backend.encoding.preprocessing import Preprocessing
from backend.encoding.prompts import PartsTokenizer, Prompt
from backend.encoding.spec import DEMO, BackboneSpec
from backend.encoding.towers import Model, eot_positions, text_features, trims
from backend.encoding.vocabulary import Vocabulary
from backend.errors import InvalidInput

__all__ = ["Backbone", "BackboneSpec", "BadFeatures", "Features", "load_backbone", "wrap"]

TOKENS_COUNTED = 4096  # texts longer than this are cut anyway, wherever their end is


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
        return image_fingerprint(self._model, self._parts.image_config, self.preprocessing)

    @cached_property
    def text_fingerprint(self) -> str:
        """SHA-256 over everything but the image tower, and the words that others are read as."""
        words = self.card.get("vocabulary")
        return text_fingerprint(self._model, self._parts.text_config, words)

    @property
    def model(self) -> Model:
        """The open_clip module: frozen, in eval mode, on `device`. Training changes it in place."""
        return self._model

    @property
    def token_width(self) -> int:
        """The width of a pseudo token; InvalidInput for a tower that takes none."""
        return token_width(self._model)

    @cached_property
    def parts_tokenizer(self) -> PartsTokenizer:
        """Tokenises the parts of prompts; InvalidInput for a tokenizer that does not frame."""
        return PartsTokenizer(self.tokenize)

    def encode_images(self, pixels: NDArray[np.uint8], threads: int | None = None) -> Features:
        """(n, 3, size, size) uint8 pixels -> (n, dim) float32 un-normalised features.

        threads: how many threads this call may use, instead of the backbone's own number.
        Raises BadFeatures with the rows that came out NaN, infinite or zero.
        """
        if len(pixels) == 0:
            return np.zeros((0, self.dim), dtype=np.float32)
        self._use_threads(threads)
        return checked(self._image_features(pixels), "images")

    def encode_texts(self, texts: Sequence[str], threads: int | None = None) -> Features:
        """n texts -> (n, dim) float32 un-normalised features; what is beyond the context is cut.

        threads: how many threads this call may use, instead of the backbone's own number.
        Raises BadFeatures with the rows that came out NaN, infinite or zero.
        """
        if len(texts) == 0:
            return np.zeros((0, self.dim), dtype=np.float32)
        self._use_threads(threads)
        with torch.inference_mode(), self._autocast():
            tokens = self.tokenize(texts).to(self.device)
            features = text_features(self._model, tokens)
        return checked(features, "texts")

    def encode_prompts(
        self,
        prompts: Prompt | Sequence[Prompt],
        pseudo: Features,
        texts: Sequence[str | None],
        threads: int | None = None,
    ) -> Features:
        """n sentences with a pseudo token in each -> (n, dim) float32 un-normalised features.

        prompts: one for all, or one a sentence. pseudo: (n, token_width). texts: the user's words
        in each. threads: as for `encode_texts`.

        Raises InvalidInput for a prompt that does not fit the context, pseudo tokens of another
        width, and a text tower that takes none; BadFeatures as `encode_texts`.
        """
        if pseudo.shape != (len(texts), self.token_width):
            raise InvalidInput(
                f"The pseudo tokens are {pseudo.shape} for {len(texts)} sentences, and this "
                f"backbone's are {self.token_width} wide: invert with a network made for it."
            )
        if len(texts) == 0:
            return np.zeros((0, self.dim), dtype=np.float32)
        self._use_threads(threads)
        each = [prompts] * len(texts) if isinstance(prompts, Prompt) else prompts
        rows = [
            prompt.tokens(self.parts_tokenizer, text, self.context_length)
            for prompt, text in zip(each, texts, strict=True)
        ]
        positions = [position for _, position in rows]
        with torch.inference_mode(), self._autocast():
            tokens = torch.stack([ids for ids, _ in rows]).to(self.device)
            vectors = torch.from_numpy(np.ascontiguousarray(pseudo)).to(self.device)
            features = injected_features(self._model, tokens, positions, vectors)
        return checked(features, "prompts")

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """n texts -> (n, context) ids on the CPU; what is beyond the context is cut."""
        return self._tokens(texts, self.context_length)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text takes, start and end included, before anything is cut."""
        tokens = self._tokens(texts, TOKENS_COUNTED)
        if trims(self._model):
            return [int(end) + 1 for end in eot_positions(self._model, tokens)]
        return [int(count) for count in (tokens != 0).sum(dim=1)]

    def cut(self, texts: Sequence[str], prompt: Prompt | None = None) -> list[bool]:
        """Whether each text is longer than the backbone reads, so that its end is ignored; of a
        prompt, what its own words leave."""
        if prompt is not None:
            return [prompt.cuts(self.parts_tokenizer, text, self.context_length) for text in texts]
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
            features: Tensor = self._model.encode_image(batch, normalize=False)
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


def load_backbone(
    spec: BackboneSpec,
    device: str = "auto",
    threads: int | None = None,
    overlay: Mapping[str, Tensor] | None = None,
) -> Backbone:
    """The backbone that `spec` names, ready to encode.

    device: "auto" takes the GPU where there is one. threads: how many threads a call may use.
    overlay: tensors, by their names in the model, that replace its own.
    Besides the names that `BackboneSpec` lists, `local-dir:PATH` reads a folder laid out as the
    demo's: open_clip_config.json, model.safetensors and, if there, card.json.

    Raises InvalidInput for an unknown architecture or tag, a missing weights file, weights of
    another architecture, an overlay that does not fit, and files that hold more than tensors;
    SetupError where the hub or a download cannot be reached, or the device is not there.
    """
    where, parts = resolved_device(device), read_parts(spec)
    return Backbone(spec, overlaid(parts, overlay) if overlay else parts, where, threads)


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
        text_config=text_facts(architecture),
        card={},
    )
    return Backbone(spec, parts, device)


def _vocabulary(card: dict[str, Any]) -> Vocabulary | None:
    words = card.get("vocabulary")
    return None if words is None else Vocabulary(words)
