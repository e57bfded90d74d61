"""The tensors of a TorchScript archive, the form of OpenAI's own files, without its code.

Such an archive is a zip: `code/` holds the program, `data.pkl` the tree of modules that it belongs
to, `data/*` the numbers. Here the program is not opened, and the tree is read with every class in
it replaced by a plain record, so that there is nothing to call.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from backend.errors import TooLarge

MAX_TREE = 64 * 2**20  # bytes of data.pkl; OpenAI's have 200 KB
MAX_DEPTH = 64
MAX_STEPS = 200_000  # attributes met on a walk, since records may be shared by many paths

_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
}


class _Record:
    """Stands in for a module: its attributes, whatever they are."""

    def __init__(self, *values: Any) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.attributes = dict(state) if isinstance(state, dict) else {}


def is_torchscript(archive: zipfile.ZipFile) -> bool:
    """Whether a zip of torch holds a program."""
    return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Every tensor of the archive's modules, by the name it has in their state dict.

    Raises TooLarge for a tree that never ends, UnpicklingError for one that names anything but
    modules and tensors; other errors of a damaged zip or pickle as they come.
    """
    with zipfile.ZipFile(path) as archive:
        (tree,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        if archive.getinfo(tree).file_size > MAX_TREE:
            raise pickle.UnpicklingError("the tree of modules is too large")
        with archive.open(tree) as file:
            root = _Reader(file, archive, tree.removesuffix(".pkl")).load()
    try:
        return dict(_named(root, "", MAX_DEPTH, count()))
    except OverflowError:
        raise TooLarge(
            f"{path} names its modules by more than {MAX_STEPS:,} paths, as no checkpoint does: "
            "use another."
        ) from None


class _Reader(pickle.Unpickler):
    """Makes records and tensors; nothing that the file names is looked up."""

    def __init__(self, file: IO[bytes], archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file)
        self._archive, self._folder = archive, folder
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Record
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":  # typed lists
            return _Record
        if module == "torch" and name in _DTYPES:
            return name
        raise pickle.UnpicklingError(f"Unsupported global: GLOBAL {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        _, kind, key, _, _ = pid
        if key not in self._storages:
            data = bytearray(self._archive.read(f"{self._folder}/{key}"))
            self._storages[key] = torch.frombuffer(data, dtype=_DTYPES[kind])
        return self._storages[key]


def _tensor(
    storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_: Any
) -> Tensor:
    return torch.as_strided(storage, tuple(size), tuple(stride), offset)


def _named(
    value: Any, prefix: str, depth: int, steps: Iterator[int]
) -> Iterator[tuple[str, Tensor]]:
    """Tensors among the attributes and, `depth` levels down, among those of the modules there."""
    if not isinstance(value, _Record) or depth == 0:
        return
    for name, attribute in value.attributes.items():
        if next(steps) >= MAX_STEPS:
            raise OverflowError
        if isinstance(attribute, Tensor):
            yield f"{prefix}{name}", attribute
        else:
            yield from _named(attribute, f"{prefix}{name}.", depth - 1, steps)
