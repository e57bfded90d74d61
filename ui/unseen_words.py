"""The words of a query that the model was never trained on, underlined where they were typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from ui.history import Query

_NAMED = 8


def note(query: Query, words: Sequence[str], *, demo: bool) -> str:
    """The query with those words underlined, and what it means for the results, as HTML."""
    if not words:
        return ""
    model = "The demo model" if demo else "The model"
    many = len(words) > 1
    return (
        f'<div class="akin-unseen"><p class="akin-asked">{_asked(query, words)}</p>'
        f"<p>{model} never saw the word{'s' if many else ''} {_named(words)}. It will guess at "
        f"{'them' if many else 'it'}, and go by the rest. A larger backbone knows more words: "
        "<b>docs/backbones.md</b></p></div>"
    )


def underlined(text: str, words: Sequence[str]) -> str:
    """The text as HTML with the words underlined, in whatever case they stand there."""
    longest_first = sorted(words, key=len, reverse=True)
    pattern = rf"(?<!\w)({'|'.join(map(re.escape, longest_first))})(?!\w)"
    parts = re.split(pattern, text, flags=re.IGNORECASE)
    # Splitting by one group leaves what it found at every second place.
    return "".join(f"<u>{escape(p)}</u>" if n % 2 else escape(p) for n, p in enumerate(parts))


def _asked(query: Query, words: Sequence[str]) -> str:
    sentence = f"“{underlined(query.text, words)}”" if query.text else ""
    phrases = ", ".join(f"“{underlined(phrase, words)}”" for phrase in query.without)
    without = f"<span>without</span> {phrases}" if phrases else ""
    return " ".join(part for part in (sentence, without) if part)


def _named(words: Sequence[str]) -> str:
    shown = [f"<em>{escape(word)}</em>" for word in words[:_NAMED]]
    if len(words) > _NAMED:
        shown.append(f"{len(words) - _NAMED} more")
    if len(shown) == 1:
        return shown[0]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
