"""The keywords of captions: what LinCIR puts a pseudo token in the place of.

Maximal runs of nouns, proper nouns, adjectives and determiners (Gu et al. 2024, "Language-only
training of zero-shot composed image retrieval", section 3.2), by spaCy where it is installed with
the model that the authors used, else by rules of our own, so that training works offline.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from backend.errors import SetupError
from workers.trainer import keyword_rules

TaggerKind = Literal["auto", "spacy", "rules"]
Run = tuple[int, int]
"""Where a run begins and ends, in characters."""

SPACY_MODEL = "en_core_web_sm"
PARTS = ("NOUN", "PROPN", "ADJ", "DET")


@dataclass(frozen=True)
class KeywordTagger:
    """name: for a card, with the version where it has one. runs: those of each of n captions."""

    name: str
    runs: Callable[[Sequence[str]], list[list[Run]]]


def keyword_tagger(kind: TaggerKind = "auto") -> KeywordTagger:
    """The tagger of that kind; `auto` takes spaCy where it is installed.

    Raises SetupError for spaCy where it, or its model, is not installed.
    """
    there = all(importlib.util.find_spec(name) for name in ("spacy", SPACY_MODEL))
    if kind == "spacy" and not there:
        raise SetupError(
            f"spaCy with its model {SPACY_MODEL} is not installed: install both, or choose "
            "tagger=rules."
        )
    return _spacy() if there and kind != "rules" else RULES


def _by_rules(captions: Sequence[str]) -> list[list[Run]]:
    return [keyword_rules.keyword_runs(caption) for caption in captions]


RULES = KeywordTagger("rules", _by_rules)


def _spacy() -> KeywordTagger:
    spacy: Any = importlib.import_module("spacy")
    language = spacy.load(SPACY_MODEL, exclude=["parser", "ner", "lemmatizer"])

    def runs(captions: Sequence[str]) -> list[list[Run]]:
        return [_runs_of(document) for document in language.pipe(captions)]

    return KeywordTagger(f"spacy {language.meta['name']} {language.meta['version']}", runs)


def _runs_of(document: Any) -> list[Run]:
    """Maximal runs of consecutive tokens of the four parts of speech."""
    runs: list[Run] = []
    open_run = False
    for token in document:
        end = token.idx + len(token)
        keyword = token.pos_ in PARTS
        if keyword and open_run:
            runs[-1] = (runs[-1][0], end)
        elif keyword:
            runs.append((token.idx, end))
        open_run = keyword
    return runs
