"""Why a backbone cannot be loaded, in a sentence: its name, its folder, its weights."""

from __future__ import annotations

import pickle
from difflib import get_close_matches
from pathlib import Path

import open_clip
import torch
from open_clip.factory import load_state_dict
from safetensors import SafetensorError

from backend.encoding.spec import FOLDER, HUB, plain_name
from backend.errors import InvalidInput, SetupError

MISMADE = (ValueError, KeyError, TypeError, AttributeError, AssertionError)
"""What open_clip raises for a configuration that describes no model."""
WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")


def check_name(name: str, pretrained: str | None) -> None:
    """Raises InvalidInput if open_clip knows no such architecture or weights, or a file is not
    there."""
    if name.startswith(FOLDER):
        _check_folder(Path(name.removeprefix(FOLDER)))
    elif not name.startswith(HUB):
        _check_architecture(name)
        _check_weights(name, pretrained)


def _check_architecture(name: str) -> None:
    known = open_clip.list_models()
    if plain_name(name) not in known:
        raise InvalidInput(f"There is no architecture {name!r} in open_clip{_close(name, known)}.")


def _check_folder(folder: Path) -> None:
    for file in ("open_clip_config.json", "model.safetensors"):
        if not (folder / file).is_file():
            raise InvalidInput(
                f"There is no {file} in {folder}: name the folder of an exported model."
            )


def _check_weights(name: str, pretrained: str | None) -> None:
    tags = open_clip.list_pretrained_tags_by_model(plain_name(name))
    if not pretrained:
        raise InvalidInput(
            f"The architecture {name} needs weights: give a pretrained tag "
            f"({', '.join(tags[:5]) or 'it has none'}) or the path of a weights file."
        )
    if Path(pretrained).suffix in WEIGHT_SUFFIXES:
        if not Path(pretrained).is_file():
            raise InvalidInput(f"There is no weights file {pretrained}: check the path.")
    elif open_clip.get_pretrained_cfg(plain_name(name), pretrained) in (None, {}):
        raise InvalidInput(
            f"There are no weights {pretrained!r} for {name}{_close(pretrained, tags)}; a file "
            f"must end in one of {', '.join(WEIGHT_SUFFIXES)}."
        )


def _close(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.4) or known[:3]
    return f": the closest are {', '.join(near)}" if near else ""


def explained(name: str, pretrained: str | None, error: Exception) -> InvalidInput | SetupError:
    """What went wrong while open_clip made the model, told in one sentence."""
    if _weights_file(name, pretrained) is None:
        return SetupError(
            f"The weights {pretrained or name} could not be fetched: check the network, or give "
            "the path of a weights file that is already here."
        )
    try:
        difference = _difference(name, pretrained)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError):
        return InvalidInput(unreadable(name, pretrained))
    except MISMADE:
        return InvalidInput(
            f"The open_clip_config.json of {name} is damaged, or describes no model that this "
            "open_clip can make: export the model again."
        )
    if difference:
        file = _weights_file(name, pretrained)
        return InvalidInput(
            f"The weights in {file} are of another architecture than {name}: {difference}."
        )
    return SetupError(f"The backbone {name} could not be made: {error}.")


def unreadable(name: str, pretrained: str | None) -> str:
    """That a weights file holds something else than tensors."""
    return (
        f"The weights file {_weights_file(name, pretrained) or name} is damaged, or holds code or "
        "objects besides tensors, which are never executed here: save it as safetensors."
    )


def first_few(clashes: list[str]) -> str:
    """Three of them, and how many more there are."""
    more = f" and {len(clashes) - 3} more" if len(clashes) > 3 else ""
    return ", ".join(clashes[:3]) + more


def _weights_file(name: str, pretrained: str | None) -> Path | None:
    if name.startswith(FOLDER):
        return Path(name.removeprefix(FOLDER)) / "model.safetensors"
    local = pretrained is not None and Path(pretrained).suffix in WEIGHT_SUFFIXES
    return Path(str(pretrained)) if local else None


def _difference(name: str, pretrained: str | None) -> str:
    """Where the file's tensors and the architecture's disagree, in a few words."""
    found = load_state_dict(str(_weights_file(name, pretrained)))
    with torch.device("meta"):
        expected = open_clip.create_model(name, load_weights=False, device="meta").state_dict()
    clashes = [
        f"{key} is {tuple(found[key].shape)} instead of {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in found and found[key].shape != tensor.shape
    ]
    clashes += [f"{key} is missing" for key in expected if key not in found]
    clashes += [f"{key} is unknown to it" for key in found if key not in expected]
    return first_few(clashes)
