"""`akin models`: bring in published checkpoints, look at a model's card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.filesize import decimal
from rich.table import Table

from backend.commands.terminal import AsJson, Url, connect, err, out, print_json
from backend.registry.schemas import VersionState

if TYPE_CHECKING:
    from backend.composition.card import ModelCard
    from backend.composition.checkpoints.importing import Imported

UNEVEN = 2.0  # a ratio of norms beyond which a sum or a network is told to suffer
NAMED = 3

Preprocessing = Literal["clip", "squarepad", "targetpad"]

app = typer.Typer(
    no_args_is_help=True, help="Models: versions of a server, published checkpoints, cards."
)


@app.command("import")
def import_model(
    path: Annotated[Path, typer.Argument(help="A published checkpoint (.pt, .safetensors).")],
    folder: Annotated[Path, typer.Option("--out", help="The model's folder, new or a model's.")],
    backbone: Annotated[
        str | None, typer.Option(help="Its backbone; without weights, the architecture.")
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="The backbone's weights: a tag of open_clip, or a file.")
    ] = None,
    combine_with: Annotated[
        Path | None,
        typer.Option(help="The checkpoint that belongs to it: a Combiner's or Phi's CLIP."),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help='What an inversion reads in: "a photo of $ that {}".')
    ] = None,
    preprocessing: Annotated[
        Preprocessing | None,
        typer.Option(help="How pictures are cut; by default as the method was published."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Its name; by default the file's.")] = None,
    even_norms: Annotated[
        bool,
        typer.Option("--even-norms", help="Scale both towers' features to a mean norm of 10."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the model of a published checkpoint: it answers as the original did."""
    with err.status("Loading"):
        from backend.composition.checkpoints.importing import ImportOptions, import_checkpoint

        options = ImportOptions(
            backbone, pretrained, combine_with, prompt, preprocessing, name, even_norms
        )
        found = import_checkpoint(path, folder, options)
    if as_json:
        print_json(_facts(folder, found))
    else:
        _tell(folder, found)


@app.command("list")
def list_versions(
    state: Annotated[
        VersionState | None, typer.Option(help="training, ready, archived or failed.")
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """The newest model versions of a running server, and which of them answers."""
    with connect(url) as client:
        page = client.models(state=state)
    if as_json:
        print_json(page)
        return
    table = Table("version", "state", "recipe", "composer", "from", "created")
    for one in page.items:
        table.add_row(
            one.name, "active" if one.active else one.state, one.recipe, one.composer,
            one.parent or one.backbone, f"{one.created_at:%Y-%m-%d %H:%M:%S}",
        )  # fmt: skip
    out.print(table)


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="A model's folder.")],
    as_json: AsJson = False,
) -> None:
    """Show what a model is, what it fits and where it comes from."""
    from backend.composition.card import read_card

    card = read_card(folder)
    if as_json:
        print_json(card)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for label, value in _lines(folder, card):
        if value:
            table.add_row(label, value)
    out.print(table, markup=False)


def _lines(folder: Path, card: ModelCard) -> list[tuple[str, str]]:
    composer, parent = card.composer, card.backbone
    sizes = {file.name: decimal(file.stat().st_size) for file in sorted(folder.iterdir())}
    return [
        ("name", card.name),
        ("recipe", card.recipe),
        ("composer", f"{composer.kind}{', centred' if composer.centred else ''}"),
        ("prompt", composer.prompt or ""),
        ("backbone", " ".join(filter(None, (parent.name, parent.pretrained)))),
        ("preprocessing", parent.preprocessing),
        ("dim", str(card.dim)),
        ("image tower", card.fingerprint[:12]),
        ("text tower", card.text_fingerprint[:12]),
        ("created", f"{card.created:%Y-%m-%d %H:%M}"),
        ("data", card.data.description),
        *((name, str(value)) for name, value in card.metrics.items()),
        ("protocol", card.protocol),
        ("parent", card.parent or ""),
        ("note", card.note),
        *sizes.items(),
    ]


def _facts(folder: Path, found: Imported) -> dict[str, Any]:
    made = found.backbone_folder
    return {
        "folder": str(folder),
        "backbone_folder": None if made is None else str(made),
        "recipe": found.card.recipe,
        "composer": found.card.composer.model_dump(),
        "backbone": found.card.backbone.model_dump(),
        "dim": found.card.dim,
        "network_parameters": found.network_parameters,
        "changed": found.changed,
        "missing": list(found.missing),
        "unexpected": list(found.unexpected),
        "norms": {**found.norms._asdict(), "ratio": found.norms.ratio},
    }


def _tell(folder: Path, found: Imported) -> None:
    card, norms = found.card, found.norms
    _say(f"{card.name} is in {folder}: {card.recipe}, composing by {card.composer.kind}.")
    if found.backbone_folder is not None:
        _say(f"Its towers are the backbone in {found.backbone_folder}; keep both folders.")
    if found.changed:
        _say(f"It changes {found.changed:,} tensors of {card.backbone.name}.")
    if found.network_parameters:
        _say(f"Its network has {found.network_parameters:,} parameters.")
    for names, what in (
        (found.missing, "missing from it and kept from the backbone"),
        (found.unexpected, "in it unknown and left out"),
    ):
        if names:
            more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
            _say(f"Note: tensors {what}: {len(names):,} ({', '.join(names[:NAMED])}{more}).")
    _say(
        f"Image features have a mean norm of {norms.image:.2f}, text features of {norms.text:.2f} "
        f"(ratio {norms.ratio:.2f})."
    )
    if card.recipe == "clip" and not 1 / UNEVEN <= norms.ratio <= UNEVEN:
        _say(
            "Note: the two differ much, which Combiners, inversions and un-normalised sums that "
            "are trained on them suffer from: import with --even-norms."
        )


def _say(sentence: str) -> None:
    out.print(sentence, markup=False, highlight=False, soft_wrap=True)
