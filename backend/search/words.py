"""The words of a query: their features, and what of them the backbone does not read or know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backend.composition.sphere import Vectors
from backend.search.encoder import QueryEncoder
from backend.search.schemas import SearchRequest

if TYPE_CHECKING:
    from backend.encoding.backbone import Backbone
    from backend.encoding.prompts import Prompt


@dataclass(frozen=True, eq=False)
class ReadWords:
    """Features of the text, (dim,), and of the phrases to leave out, (k, dim), where there are any.

    caption: the text itself. is_cut: whether one of them goes beyond what the backbone reads.
    unseen: the words, as typed, that it was never trained on.
    """

    text: Vectors | None = None
    without: Vectors | None = None
    caption: str | None = None
    is_cut: bool = False
    unseen: tuple[str, ...] = ()


def read_words(
    request: SearchRequest,
    encoder: QueryEncoder,
    backbone: Backbone,
    prompt: Prompt | None = None,
) -> ReadWords:
    """The text and the phrases of a request, all of them in one call of the tower.

    prompt: the sentence that the text will be read in once more, which leaves it less room.
    """
    text = request.text.strip()
    without = [phrase.strip() for phrase in request.without if phrase.strip()]
    words = [text, *without] if text else without
    if not words:
        return ReadWords()
    rows = encoder.encode_texts(words)
    return ReadWords(
        text=rows[0] if text else None,
        without=rows[1:] if text else rows,
        caption=text or None,
        is_cut=any(backbone.cut(words))
        or (prompt is not None and any(backbone.cut([text], prompt))),
        unseen=tuple(backbone.unseen_words(words)),
    )
