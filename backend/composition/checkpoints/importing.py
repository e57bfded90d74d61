"""A published checkpoint, or two that belong together, as a model artefact."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from backend import clock
from backend.composition.artefact import (
    BackboneCard,
    ComposerCard,
    ModelCard,
    write_artefact,
)
from backend.composition.card import CARD, LONGEST_NAME, ComposerKind, check_name
from backend.composition.checkpoints.architectures import first_few
from backend.composition.checkpoints.converting import Converted, as_folder, over_parent
from backend.composition.checkpoints.network import (
    check_over_backbone,
    check_sizes,
    network_in,
    sizes_of_towers,
)
from backend.composition.checkpoints.norms import Norms, evened, measured_norms
from backend.composition.checkpoints.reading import read_checkpoint
from backend.composition.checkpoints.recognising import Recognised, recognise
from backend.encoding.backbone import Backbone, load_backbone
from backend.encoding.preprocessing import PreprocessingKind
from backend.encoding.prompts import Prompt
from backend.encoding.spec import DEMO, BackboneSpec
from backend.errors import InvalidInput

PROMPTS = {"phi": "a photo of $ that {}", "im2text": "a photo of $ , {}"}
_PADDED = ("clip4cir", "spn4cir", "combiner")  # CLIP4Cir's pictures are padded to 1.25 to 1
_SELF_CONTAINED = ("hf-hub:", "local-dir:")


@dataclass(frozen=True)
class ImportOptions:
    """How to import. backbone, pretrained: the parent, as `--backbone` takes it; without weights,
    the architecture of the checkpoint's own towers. combine_with: the other checkpoint of a pair.
    prompt: an inversion's; even_norms: scale projections so that both norms are 10."""

    backbone: str | None = None
    pretrained: str | None = None
    combine_with: Path | None = None
    prompt: str | None = None
    preprocessing: PreprocessingKind | None = None
    name: str | None = None
    even_norms: bool = False


class Imported(NamedTuple):
    """What came of it. backbone_folder: where the checkpoint's own towers were converted to."""

    card: ModelCard
    norms: Norms
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    changed: int
    network_parameters: int
    backbone_folder: Path | None


def import_checkpoint(path: Path, out: Path, options: ImportOptions) -> Imported:
    """Read a checkpoint, recognise it, and write the artefact that answers as it did.

    Raises NotFound, TooLarge and InvalidInput as `read_checkpoint` and `recognise` do; InvalidInput
    for weights of another size than the backbone, for a network whose backbone nobody named, and
    for options that do not go together; SetupError and NoSpace as `load_backbone` and
    `write_artefact`.
    """
    files = [path, *([options.combine_with] if options.combine_with else [])]
    found = _united([(file, recognise(read_checkpoint(file), file)) for file in files])
    _check_options(found, options)
    network, unexpected = network_in(found)
    if network is not None and found.towers is not None:  # before anything is written
        check_sizes(network, "the CLIP beside it", *sizes_of_towers(found.towers))
    _check_place(out)
    converted = _converted(found, out, options, path)
    if network is not None:
        check_over_backbone(network, converted.backbone)
    norms = measured_norms(converted.backbone)
    if options.even_norms:
        converted, norms = _even(converted, norms)
    card = _card(found, converted.backbone, files, options, norms)
    composer = None if network is None else network.state_dict()
    write_artefact(out, card, composer, converted.changed)
    folder = converted.architecture is not None
    return Imported(
        card=card,
        norms=norms,
        missing=converted.missing,
        unexpected=(*converted.unexpected, *unexpected),
        changed=len(converted.changed),
        network_parameters=sum(p.numel() for p in network.parameters()) if network else 0,
        backbone_folder=backbone_folder(out) if folder else None,
    )


def backbone_folder(out: Path) -> Path:
    """Where the towers of a checkpoint become a backbone: beside its artefact."""
    return out.with_name(f"{out.name}-backbone")


def _united(parts: list[tuple[Path, Recognised]]) -> Recognised:
    (_, first), *rest = parts
    if not rest:
        return first
    (path, other) = rest[0]
    network, towers = (first, other) if first.network is not None else (other, first)
    if network.network is None or towers.network is not None or towers.towers is None:
        raise InvalidInput(
            f"{parts[0][0]} and {path} do not make a pair: combine the towers of one checkpoint "
            "with the network (Combiner, Phi, Pic2Word) of another."
        )
    return replace(
        network, towers=towers.towers, openai=towers.openai, facts={**towers.facts, **network.facts}
    )


def _check_options(found: Recognised, options: ImportOptions) -> None:
    if options.name is not None:
        check_name(options.name)
    if options.prompt is not None and found.network_kind not in PROMPTS:
        raise InvalidInput(
            "Only an inversion (Phi, Pic2Word) reads in a prompt: leave out --prompt."
        )
    if options.prompt is not None:
        Prompt.parse(options.prompt)
    if options.pretrained is not None and options.backbone is None:
        raise InvalidInput("Weights belong to an architecture: name it with --backbone.")
    if options.even_norms and (found.network is not None or found.method != "clip"):
        raise InvalidInput(
            "What this checkpoint learned depends on the norms that its features had: import it "
            "without --even-norms."
        )


def _called(file: Path) -> str:
    """A name from a file's; hostile letters would fit no card."""
    return re.sub(r"[\x00-\x1f]", " ", file.stem)[:LONGEST_NAME]


def _check_place(out: Path) -> None:
    """As `write_artefact` does, before minutes of work."""
    if out.exists() and not (out / CARD).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInput(f"{out} holds something else than a model: name a new folder.")


def _converted(found: Recognised, out: Path, options: ImportOptions, path: Path) -> Converted:
    preprocessing = options.preprocessing or ("targetpad" if found.method in _PADDED else "clip")
    named = options.backbone or ""
    parent = BackboneSpec(named, options.pretrained, preprocessing)
    has_weights = (
        options.pretrained is not None or named == DEMO or named.startswith(_SELF_CONTAINED)
    )
    if found.towers is None:
        if not named:
            raise InvalidInput(
                f"{path} holds a network and no towers: name its backbone with --backbone and "
                "--pretrained, or the checkpoint of its CLIP with --combine-with."
            )
        return Converted(load_backbone(parent, device="cpu"), {})
    if has_weights:
        return over_parent(found.towers, found.openai, parent, path)
    return as_folder(
        found.towers, options.backbone, found.openai, backbone_folder(out), parent, path
    )


def _even(converted: Converted, norms: Norms) -> tuple[Converted, Norms]:
    backbone = converted.backbone
    scaled = evened(backbone.model.state_dict(), norms)
    changed = {**converted.changed, **scaled}
    again = load_backbone(backbone.spec, device="cpu", overlay=changed)
    return replace(converted, backbone=again, changed=changed), measured_norms(again)


def _kind(found: Recognised) -> ComposerKind:
    """Towers of CLIP4Cir and SPN4CIR were trained for the sum of un-normalised features (Baldrati
    et al. 2022, section 3.1); a CLIP alone is composed by the plain sum."""
    return found.network_kind or ("sum" if found.method == "clip" else "feature-sum")


def _card(
    found: Recognised,
    backbone: Backbone,
    files: list[Path],
    options: ImportOptions,
    norms: Norms,
) -> ModelCard:
    spec, kind = backbone.spec, _kind(found)
    prompt = options.prompt or PROMPTS.get(kind)
    return ModelCard(
        name=options.name or _called(files[0]),
        recipe=found.method,
        backbone=BackboneCard(
            name=spec.name, pretrained=spec.pretrained, preprocessing=spec.preprocessing
        ),
        fingerprint=backbone.fingerprint,
        text_fingerprint=backbone.text_fingerprint,
        dim=backbone.dim,
        composer=ComposerCard(kind=kind, prompt=prompt),
        parameters={
            "imported": {file.name: _sha256(file) for file in files},
            **found.facts,
            "norms": norms._asdict(),
            "evened": options.even_norms,
        },
        created=clock.now(),
        note=f"imported from {first_few([file.name for file in files])}",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
