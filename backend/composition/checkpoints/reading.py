"""A checkpoint's file as tensors by name. Nothing in it is executed, whoever made it."""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backend.composition.checkpoints.torchscript import is_torchscript, read_torchscript
from backend.errors import InvalidInput, NotFound, TooLarge

MAX_BYTES = 32 * 2**30  # of a file: the largest CLIP with its optimiser's state has about 30 GB
MAX_TENSORS = 100_000
_SLACK = 2**20  # a zip's own records
_PEEK = 9
_ZIP = b"PK\x03\x04"
_CUT = "it is cut off, or no checkpoint of torch"
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_DAMAGES = (  # what a broken or hostile pickle ends in, besides UnpicklingError
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What is in a checkpoint: tensors by name, or wrappers of such mappings, on the CPU.

    safetensors, told by its first bytes whatever the file is called; what torch.save wrote, read
    with weights_only and mapped into memory where it can be; TorchScript, its tensors alone.

    Raises NotFound for no file; TooLarge for one beyond 32 GiB, or that unpacks to more than it
    holds; InvalidInput for a damaged file and for one that holds code or objects besides tensors.
    """
    if not path.is_file():
        raise NotFound(f"There is no checkpoint {path}: check the path.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise TooLarge(f"{path} has {size / 2**30:.0f} GiB, and {MAX_BYTES / 2**30:.0f} are read.")
    head = _head(path)
    found = _safetensors(path) if _is_safetensors(head, size) else _torch_file(path, head)
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise _unusable(path, "it holds no tensors by name")
    for state in (found, *found.values()):
        if isinstance(state, Mapping):
            _check_tensors(path, state.values())
    return dict(found)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_PEEK)


def _is_safetensors(head: bytes, size: int) -> bool:
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") < size


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _unusable(path, "its list of tensors and its length disagree") from error


def _torch_file(path: Path, head: bytes) -> Any:
    zipped = head.startswith(_ZIP)
    try:
        if zipped and _is_torchscript(path):
            return read_torchscript(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise _refused(path, str(error)) from error
    except SafetensorError as error:  # torch goes by the name
        raise _unusable(path, "it is called safetensors and is something else") from error
    except _DAMAGES as error:
        raise _unusable(path, _CUT) from error


def _is_torchscript(path: Path) -> bool:
    """Looked up after what the zip would unpack to, for torch would unpack it."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > path.stat().st_size + _SLACK:
            raise TooLarge(
                f"{path} unpacks to more than it holds, as no checkpoint does: use another."
            )
        return is_torchscript(archive)


def _check_tensors(path: Path, values: Iterable[Any]) -> None:
    tensors = [value for value in values if isinstance(value, Tensor)]
    if len(tensors) > MAX_TENSORS:
        raise TooLarge(f"{path} has {len(tensors):,} tensors, and {MAX_TENSORS:,} are read.")
    if not all(_is_whole(tensor) for tensor in tensors):
        raise _unusable(path, "a tensor in it is sparse, quantised or larger than what is stored")


def _is_whole(tensor: Tensor) -> bool:
    """Whether every number of it is in the file: a few bytes can claim to be terabytes."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _refused(path: Path, complaint: str) -> InvalidInput:
    named = _GLOBAL.search(complaint)
    if named is None:
        return _unusable(path, _CUT)
    return InvalidInput(
        f"{path} holds more than tensors (it names {named[1]}), and nothing in a checkpoint is "
        "executed here: save its state dict alone, or as safetensors."
    )


def _unusable(path: Path, reason: str) -> InvalidInput:
    return InvalidInput(f"{path} cannot be read as a checkpoint ({reason}): download it again.")
