"""The device that a tower runs on, by its name in settings."""

from __future__ import annotations

import re

import torch

from backend.errors import SetupError

DEVICES = re.compile(r"cpu|cuda(:\d+)?")


def resolved_device(device: str) -> str:
    """The device that `auto` stands for, or this one; SetupError for one that is not there."""
    if device != "auto" and not DEVICES.fullmatch(device):
        raise SetupError(f"There is no device {device!r}: use auto, cpu or cuda.")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SetupError(f"There is no GPU that torch can use as {device!r}: use the device cpu.")
    return device
