"""`akin search` and `akin compose`: ask, or see the query vector itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from backend.commands.terminal import AsJson, Url, connect, err, out, print_json
from backend.errors import InvalidInput, NotFound
from backend.search.schemas import SearchRequest, SearchResponse

Picture = Annotated[Path | None, typer.Option("--image", help="A picture to start from.")]
Text = Annotated[str, typer.Option("--text", help="What should be different.")]
Without = Annotated[
    list[str] | None, typer.Option("--without", help="What it should not have; repeatable.")
]
COMPOSERS = "sum, slerp, product, or a trained one by its name."
Strength = Annotated[
    float, typer.Option("--strength", help="-1 picture only, 0 both, 1 words only.")
]


def search(
    image: Picture = None,
    sku: Annotated[str | None, typer.Option(help="A product to start from.")] = None,
    text: Text = "",
    without: Without = None,
    strength: Strength = 0.0,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", help="category=dress, colour!=red, price=10..40; repeatable."),
    ] = None,
    composer: Annotated[str | None, typer.Option(help=COMPOSERS)] = None,
    count: Annotated[int, typer.Option("-k", "--count", help="How many products.")] = 10,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Find products by a picture, words, or both."""
    given = {
        "reference_sku": sku,
        "text": text,
        "without": without or [],
        "strength": strength,
        "filters": filters or [],
        "composer": composer,
        "limit": count,
    }
    try:
        request = SearchRequest.model_validate(given)
    except ValidationError as error:
        raise InvalidInput(_told(error)) from error
    with connect(url) as client:
        answer = client.search(
            request,
            image=read_picture(image) if image else None,
            name=image.name if image else "picture",
        )
    if as_json:
        print_json(flattened(answer))
    else:
        _show(answer)


def compose(
    image: Picture = None,
    text: Text = "",
    without: Without = None,
    strength: Strength = 0.0,
    model: Annotated[
        str | None, typer.Option(help="A model's folder, or akin-demo; it has its own composer.")
    ] = None,
    composer: Annotated[str | None, typer.Option(help=COMPOSERS)] = None,
    backbone: Annotated[str | None, typer.Option(help="See docs/backbones.md.")] = None,
    pretrained: Annotated[str | None, typer.Option(help="A tag, or a weights file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compute the query vector itself, without a server."""
    from backend.commands.composing import chosen_model, query_vector  # torch: only here

    picture = read_picture(image) if image else None
    opened = chosen_model(model, composer, backbone, pretrained)
    vector = query_vector(opened, picture, text, without or [], strength)
    if as_json:
        facts = {"model": opened.card.name, "composer": opened.composer.name}
        print_json({**facts, "dim": len(vector), "vector": vector})
    else:
        out.print(" ".join(f"{value:.4f}" for value in vector))


def flattened(answer: SearchResponse) -> dict[str, object]:
    """The answer with the product's main fields beside each score."""
    data = answer.model_dump(mode="json")
    for hit in data["results"]:
        product = hit["product"]
        hit.update(
            {key: product[key] for key in ("sku", "title", "category", "split")},
            product_id=product["id"],
        )
    return data


def read_picture(path: Path) -> bytes:
    """The bytes of a picture on this machine.

    Raises:
        NotFound: if there is none.
        InvalidInput: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There is no picture at {path}: check the path.") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}): name a picture.") from error


def _show(answer: SearchResponse) -> None:
    if answer.text_cut:
        err.print("The words go beyond what the model reads; their end was ignored.")
    if answer.unseen_words:
        err.print(_unseen(answer.unseen_words), markup=False)
    if not answer.results:
        err.print("Nothing fits: loosen the filters, or import products with `akin ingest`.")
        return
    table = Table("", "score", "SKU", "title", "category", "split", "price")
    for hit in answer.results:
        product = hit.product
        price = f"{product.price} {product.currency}" if product.price is not None else ""
        texts = (product.sku, product.title, product.category)
        cells = (*map(escape, texts), product.split, price)
        table.add_row(str(hit.rank), f"{hit.score:.3f}", *cells)
    out.print(table)
    stages = ", ".join(f"{name} {ms:.0f}" for name, ms in answer.timings_ms.items())
    out.print(f"{answer.total} products by {answer.version}; milliseconds: {stages}", style="dim")


def _unseen(words: list[str]) -> str:
    return (
        f"The model never saw these words and will guess: {', '.join(words)} "
        "(docs/backbones.md says how to get one that knows more)."
    )


def _told(error: ValidationError) -> str:
    names = {"limit": "-k", "strength": "--strength", "without": "--without", "text": "--text"}
    first = error.errors()[0]
    field = str(first["loc"][0])
    return f"{names.get(field, f'--{field}')} does not fit: {first['msg'].lower()}."
