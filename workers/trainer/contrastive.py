"""One step of contrastive training, and the schedule it follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor, nn

from backend.encoding.preprocessing import OPENAI_MEAN, OPENAI_STD
from backend.encoding.towers import Model, text_features
from workers.trainer.batches import Batch
from workers.trainer.losses import multi_positive_loss
from workers.trainer.schedules import lr_factor

LARGEST_SCALE = 50.0


@dataclass(frozen=True)
class Schedule:
    """AdamW, a linear warm-up, then a half cosine to zero; all counted in steps."""

    steps: int
    warmup: int = 100
    lr: float = 1.5e-3
    weight_decay: float = 0.05

    def factor(self, step: int) -> float:
        return lr_factor(step, self.steps, self.warmup)


class Trainer:
    """The model, its optimiser and one step of training; its state is the whole of a run."""

    def __init__(
        self, model: Model, schedule: Schedule, device: str = "cpu", bf16: bool = True
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device, memory_format=torch.channels_last)
        self.tokenize = open_clip.SimpleTokenizer(context_length=int(model.context_length))
        self.optimiser = torch.optim.AdamW(
            parameter_groups(model, schedule.weight_decay), lr=schedule.lr, betas=(0.9, 0.98)
        )
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimiser, schedule.factor)
        self.bf16 = bf16
        self.mean = torch.tensor(OPENAI_MEAN, device=self.device).view(1, 3, 1, 1) * 255
        self.std = torch.tensor(OPENAI_STD, device=self.device).view(1, 3, 1, 1) * 255

    def parts(self) -> dict[str, Any]:
        """What a checkpoint must hold for a resumed run to be the same run."""
        return {"model": self.model, "optimiser": self.optimiser, "scheduler": self.scheduler}

    def step(self, batch: Batch) -> float:
        """One update; returns the loss."""
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            images = self.model.encode_image(self._normalised(batch.images))
            texts = self._texts(batch.texts)
        scale = self.model.logit_scale.exp()
        true, unsure = (
            torch.from_numpy(mask).to(self.device) for mask in (batch.true, batch.unsure)
        )
        loss = multi_positive_loss(images, texts, scale, true, unsure)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.scheduler.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=float(np.log(LARGEST_SCALE)))
        return float(loss.item())

    def _normalised(self, pixels: Tensor) -> Tensor:
        images = pixels.to(self.device).contiguous(memory_format=torch.channels_last).float()
        return images.sub_(self.mean).div_(self.std)

    def _texts(self, texts: list[str]) -> Tensor:
        """Features of texts, in four runs from the shortest to the longest: little is padding."""
        tokens = self.tokenize(texts).to(self.device)
        order = (tokens != 0).sum(dim=1).argsort(stable=True)
        parts = [text_features(self.model, tokens[part]) for part in order.chunk(4)]
        return torch.cat(parts)[order.argsort()]


def parameter_groups(model: Model, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; biases, norms, the temperature and token embeddings do not."""
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        plain = parameter.ndim < 2 or "embedding" in name
        (kept if plain else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
