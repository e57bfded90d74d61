"""The files of a model artefact: written all together or not at all, read without executing any.

`model.json` is the card, `composer.safetensors` the weights of a trained network, and
`towers.safetensors` those of the backbone's tensors that training changed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from backend.composition.card import CARD, TRAINED, ModelCard
from backend.disk_space import FULL
from backend.errors import InvalidInput, NoSpace
from backend.whole_files import flush_folder

if TYPE_CHECKING:
    from torch import Tensor

COMPOSER = "composer.safetensors"
TOWERS = "towers.safetensors"


def write_artefact(
    folder: Path,
    card: ModelCard,
    composer: Mapping[str, Tensor] | None = None,
    towers: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a model; all of it is there at once, or nothing of it.

    composer: the network's state dict, of a trained kind only. towers: the tensors, by their
    names in the backbone's model, that differ from the parent's. An artefact that is there
    already is replaced.

    Raises InvalidInput for weights that the card's kind does not have, and for a folder that
    holds something else; NoSpace for a full disk, which leaves what was there.
    """
    if (card.composer.kind in TRAINED) != (composer is not None):
        raise InvalidInput(
            f"The model {card.name} is a {card.composer.kind}, and weights of a network are "
            f"{'missing' if composer is None else 'too many'}: write what was trained."
        )
    _check_place(folder)
    files = {CARD: f"{card.model_dump_json(indent=1)}\n".encode()}
    for name, tensors in ((COMPOSER, composer), (TOWERS, towers)):
        if tensors:
            files[name] = _serialised(tensors)
    _write_together(folder, files)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name; InvalidInput if it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise InvalidInput(
            f"There is no {path.name} beside {path.parent / CARD}: copy the whole folder again."
        ) from error
    except SafetensorError as error:
        raise InvalidInput(
            f"{path} is damaged or no safetensors file: copy the model again, or train it anew."
        ) from error


def _serialised(tensors: Mapping[str, Tensor]) -> bytes:
    from safetensors.torch import save

    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def _check_place(folder: Path) -> None:
    if not folder.exists() or (folder / CARD).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise InvalidInput(f"{folder} holds something else than a model: name a new folder.")


def _write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, data in files.items():
            _write(aside / name, data)
        aside.chmod(0o755)
        flush_folder(aside)
        _put(aside, folder)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoSpace(
            f"The disk is full, so the model was not written to {folder}: make room and try "
            "again; what was there before is kept."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _put(aside: Path, folder: Path) -> None:
    """Rename; a model that is there steps aside first, for a folder replaces none that is full."""
    if not folder.exists():
        aside.rename(folder)
    else:
        old = aside.with_name(f"{aside.name}.old")
        folder.rename(old)
        try:
            aside.rename(folder)
        except OSError:
            old.rename(folder)
            raise
        shutil.rmtree(old)
    flush_folder(folder.parent)
