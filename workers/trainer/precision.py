"""The number format that a model computes in, chosen in one place."""

from __future__ import annotations

from typing import Literal

import torch

from backend.errors import InvalidInput

PrecisionKind = Literal["auto", "fp32", "bf16", "fp16"]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """Autocast and, for fp16 alone, a gradient scaler (Micikevicius et al. 2018, "Mixed precision
    training", section 3.2). Weights, optimiser and losses stay in float32.

    `auto` is fp32 on a CPU, where a resumed run is to equal an uninterrupted one bit for bit, and
    on a GPU bf16, or fp16 on cards older than bf16.
    """

    def __init__(self, kind: PrecisionKind, device: torch.device) -> None:
        """Raises InvalidInput for a kind that there is not."""
        if kind not in ("auto", *_DTYPES):
            raise InvalidInput(
                f"There is no precision {kind!r}: choose auto, {', '.join(_DTYPES)}."
            )
        self.kind = _chosen(device) if kind == "auto" else kind
        self._device = device.type
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.kind == "fp16")

    def autocast(self) -> torch.autocast:
        """The context that the towers and networks run in."""
        return torch.autocast(self._device, _DTYPES[self.kind], enabled=self.kind != "fp32")


def _chosen(device: torch.device) -> PrecisionKind:
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
