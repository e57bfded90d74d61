"""The words on the demo backbone's card are those of its training captions."""

from __future__ import annotations

import json
from random import Random

import pytest
from typer.testing import CliRunner

from backend.encoding.loading import CARD, DEMO_FOLDER
from backend.encoding.vocabulary import Vocabulary, words_of
from workers.datasets.wardrobe import templates, words
from workers.datasets.wardrobe.captions import describe
from workers.datasets.wardrobe.families import families, triplets
from workers.datasets.wardrobe.garments import random_garment
from workers.recipes import backbone as recipe
from workers.trainer.batches import PHOTO, caption_of
from workers.trainer.vocabulary import training_vocabulary

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def derived() -> list[str]:
    return training_vocabulary(photos=True)


def test_the_shipped_card_lists_the_words_of_the_training_captions(derived):
    assert json.loads((DEMO_FOLDER / CARD).read_text())["vocabulary"] == derived


def test_every_word_of_the_tables_is_among_them(derived):
    tables = (words.COLOUR, words.NOUN, words.NAMED, words.ADJECTIVE, words.PHRASE)
    texts = [
        text for table in (*tables, words.BY_CATEGORY) for some in table.values() for text in some
    ]
    texts += words.ANY_NOUN
    frames = [*templates.DESCRIBE["train"], *PHOTO]
    for some in templates.MENTION["train"].values():
        frames += some
    slots = dict.fromkeys(("x", "colour", "adj", "np", "c", "n"), "")
    filled = [text.format(**slots) for text in (*texts, *frames)]
    assert set(words_of(filled)) <= set(derived)


def test_other_training_captions_have_no_further_word(derived):
    rng = Random(7)
    looks = [random_garment(rng, "train") for _ in range(300)]
    captions = [caption_of(rng.choice(looks), looks, rng)[0] for _ in range(5_000)]
    assert set(words_of(captions)) <= set(derived)


def test_without_photos_their_words_are_not_known(derived):
    assert set(derived) - set(training_vocabulary(photos=False)) == {"hanger", "my", "someone"}


def test_the_evaluations_sentences_have_no_word_to_mark(derived):
    """They are asked in other sentences than those trained on, whose words say nothing of a look:
    the figures were reached with them."""
    known, rng = Vocabulary(derived), Random(0)
    for role in ("choose", "heldout"):
        found = families(role, 60)
        asked = [t.caption for t in triplets(found, role)]
        asked += [describe(item.garment, rng, role) for f in found for item in f.items]
        assert known.unseen(asked) == []


def test_the_command_writes_the_words_and_nothing_else(tmp_path, derived):
    card = {"about": "a model", "text_mean": [0.5, -0.25]}
    (tmp_path / CARD).write_text(json.dumps(card))
    done = CliRunner().invoke(recipe.app, ["vocabulary", "--model", str(tmp_path)])
    assert done.exit_code == 0
    assert f"{len(derived)} words" in done.output
    assert json.loads((tmp_path / CARD).read_text()) == {**card, "vocabulary": derived}
