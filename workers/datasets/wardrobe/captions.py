"""Titles, captions that describe one garment, and relative captions that lead to another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from workers.datasets.wardrobe import words
from workers.datasets.wardrobe.attributes import FORMS
from workers.datasets.wardrobe.garments import Garment, Role
from workers.datasets.wardrobe.templates import DESCRIBE, MENTION, RELATIVE

Claim = tuple[str, str]
Claims = frozenset[Claim]


@dataclass(frozen=True)
class Phrase:
    """A few words, how they join a sentence ("colour", "adjective" or "noun"), and what they say
    of a picture: exactly these visible attributes."""

    text: str
    kind: str
    claims: Claims


def title(garment: Garment, rng: Random) -> str:
    """A shop's title: "Red striped long-sleeve crew-neck T-shirt with a white star"."""
    parts = [garment.colour]
    if garment.pattern != "plain":
        parts = [f"{garment.colour} and {garment.accent}"]
        parts.append(words.ADJECTIVE["pattern", garment.pattern][0])
    parts += [
        words.TITLE.get(value, words.ADJECTIVE[name, value][0])
        for name, value in garment.visible().items()
        if name in ("length", "sleeves", "neckline") and len(FORMS[garment.category][name]) > 1
    ]
    parts.append(rng.choice(words.TITLE_NOUN[garment.category]))
    if garment.logo not in (None, "none"):
        accent = garment.accent if garment.pattern == "plain" else ""
        parts.append("with " + words.PHRASE["logo", str(garment.logo)][0].format(c=accent))
    text = _tidy(" ".join(parts))
    return _articles(text[0].upper() + text[1:])


def describe(garment: Garment, rng: Random, role: Role = "train") -> str:
    """A caption of the picture with its category and most of what can be seen."""
    names = [name for name in garment.visible() if name != "category"]
    kept = {name for name in names if name == "colour" or rng.random() < 0.8}
    return _sentence(garment, {"category", *kept}, rng, role)[0]


def describe_attributes(garment: Garment, rng: Random, role: Role = "train") -> tuple[str, Claims]:
    """A caption and exactly the visible (attribute, value) pairs it mentions, from one to all:
    it is true of every picture that has those pairs."""
    names = list(garment.visible())
    count = rng.choice((1, 1, 2, 2, 3, 3, 4, len(names)))
    chosen = set(rng.sample(names, min(count, len(names))))
    if len(chosen) == 1 and chosen != {"category"}:
        return _mention(garment, chosen.pop(), rng, role)
    if rng.random() < 0.6:
        chosen.add("category")
    return _sentence(garment, chosen, rng, role)


def relative(reference: Garment, target: Garment, rng: Random, role: Role = "train") -> str:
    """What to change on the reference to get the target, and nothing else: "same but red".

    A first pattern or logo brings its accent colour along and is told with it.
    """
    before, after = reference.visible(), target.visible()
    changed = [name for name, value in after.items() if before.get(name) != value]
    if "accent" in changed and ("pattern" in changed or "logo" in changed):
        changed.remove("accent")
    told = [_change(reference, target, name, rng, role) for name in changed]
    return _finish(" and ".join(told), rng)


def phrase_for(garment: Garment, attribute: str, rng: Random, with_accent: bool = False) -> Phrase:
    """Words for one visible attribute of a garment; the accent is always told with the pattern
    or logo that wears it, other attributes only with `with_accent`."""
    if attribute == "accent":
        wearer = "pattern" if garment.pattern != "plain" else "logo"
        return _noun_phrase(garment, wearer, rng, with_accent=True)
    value = garment.visible()[attribute]
    if attribute == "colour":
        return Phrase(rng.choice(words.COLOUR[value]), "colour", frozenset({(attribute, value)}))
    if attribute == "category":
        return Phrase(rng.choice(words.NOUN[value]), "noun", frozenset({(attribute, value)}))
    adjectives = words.ADJECTIVE.get((attribute, value), ())
    if adjectives and not with_accent and rng.random() < 0.5:
        return Phrase(rng.choice(adjectives), "adjective", frozenset({(attribute, value)}))
    return _noun_phrase(garment, attribute, rng, with_accent)


def _noun_phrase(garment: Garment, attribute: str, rng: Random, with_accent: bool) -> Phrase:
    value = garment.visible()[attribute]
    key = (garment.category, attribute, value)
    text = rng.choice(words.BY_CATEGORY.get(key) or words.PHRASE[attribute, value])
    claims = {(attribute, value)}
    colour = ""
    if with_accent and garment.accent is not None and "{c}" in text:
        colour = rng.choice(words.COLOUR[garment.accent])
        claims.add(("accent", garment.accent))
    return Phrase(_tidy(text.format(c=colour)), "noun", frozenset(claims))


def _mention(garment: Garment, attribute: str, rng: Random, role: Role) -> tuple[str, Claims]:
    phrase = phrase_for(garment, attribute, rng)
    frame = rng.choice(MENTION[role][phrase.kind])
    return _finish(_fill(frame, phrase), rng), phrase.claims


def _sentence(garment: Garment, names: set[str], rng: Random, role: Role) -> tuple[str, Claims]:
    phrases = _phrases(garment, names, rng)
    noun, claims = _noun(garment, names, rng)
    before = [phrase.text for phrase in phrases if phrase.kind != "noun"]
    after = [phrase.text for phrase in phrases if phrase.kind == "noun"]
    rng.shuffle(before)
    rng.shuffle(after)
    text = " ".join([*before, noun])
    if noun not in words.PLURAL:
        text = f"a {text}" if rng.random() < 0.7 else text
    elif rng.random() < 0.3:
        text = f"a pair of {text}"
    if after:
        has = " that have " if noun in words.PLURAL else " that has "
        text += rng.choice((" with ", " with ", has)) + _and(after)
    sentence = rng.choice(DESCRIBE[role]).format(x=text)
    told = claims.union(*(phrase.claims for phrase in phrases))
    return _finish(sentence, rng), told


def _phrases(garment: Garment, names: set[str], rng: Random) -> list[Phrase]:
    """One phrase for each name but the category; an accent speaks for its pattern or logo."""
    wearer = "pattern" if garment.pattern != "plain" else "logo"
    silent = {"category", wearer} if "accent" in names else {"category"}
    ordered = [name for name in garment.visible() if name in names - silent]
    return [phrase_for(garment, name, rng) for name in ordered]


def _noun(garment: Garment, names: set[str], rng: Random) -> tuple[str, Claims]:
    """A noun for the garment: of its category, of a look with its own name, or of anything."""
    if "category" not in names:
        return rng.choice(words.ANY_NOUN), frozenset()
    claim = ("category", garment.category)
    seen = garment.visible()
    named = [
        (noun, (attribute, value))
        for (category, attribute, value), nouns in words.NAMED.items()
        if category == garment.category and attribute in names and seen.get(attribute) == value
        for noun in nouns
    ]
    if named and rng.random() < 0.5:
        noun, other = rng.choice(named)
        return noun, frozenset({claim, other})
    return rng.choice(words.NOUN[garment.category]), frozenset({claim})


def _change(reference: Garment, target: Garment, name: str, rng: Random, role: Role) -> str:
    new_accent = target.accent != reference.accent and target.accent is not None
    phrase = phrase_for(target, name, rng, with_accent=new_accent)
    while not _certain(reference, target, name, phrase.text):
        phrase = phrase_for(target, name, rng, with_accent=new_accent)
    frames = RELATIVE[role][phrase.kind]
    old = _old(reference, name, phrase.kind, rng)
    if not old:
        frames = tuple(frame for frame in frames if "{old}" not in frame)
    return _fill(rng.choice(frames), phrase, old)


def _old(reference: Garment, name: str, kind: str, rng: Random) -> str:
    """What goes, in words that can stand where the new stands; empty where there is nothing."""
    value = reference.visible().get(name)
    if value is None or kind == "adjective":
        return ""
    if kind == "colour":
        return rng.choice(words.COLOUR[value])
    phrase = phrase_for(reference, name, rng, with_accent=name == "accent")
    unfit = phrase.kind != "noun" or any(
        word in phrase.text for word in ("no ", "removed", *words.COMPARATIVES)
    )
    return "" if unfit else phrase.text


def _certain(reference: Garment, target: Garment, name: str, text: str) -> bool:
    """Whether "longer" or "shorter" leads to one value alone, seen from the reference."""
    if not any(word in text for word in words.COMPARATIVES):
        return True
    order = FORMS[target.category][name]
    here, there = order.index(reference.visible()[name]), order.index(target.visible()[name])
    return there == here + 1 == len(order) - 1 or there == here - 1 == 0


def _fill(frame: str, phrase: Phrase, old: str = "") -> str:
    return frame.format(colour=phrase.text, adj=phrase.text, np=phrase.text, old=old)


def _and(texts: list[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    return ", ".join(texts[:-1]) + " and " + texts[-1]


def _finish(text: str, rng: Random) -> str:
    """Mended articles, and the small carelessness of typing: case and full stop vary."""
    text = _articles(_tidy(text))
    style = rng.random()
    if style < 0.2:
        text = text[0].upper() + text[1:]
    elif style < 0.3:
        text = text.lower()
    if rng.random() < 0.12 and text[-1] not in "?!.":
        text += rng.choice((".", ".", "!"))
    return text


def _tidy(text: str) -> str:
    return re.sub(r" +", " ", text).strip()


def _articles(text: str) -> str:
    return re.sub(r"\b([Aa]) (?=[aeio]|upright|unpatterned|unbranded)", r"\1n ", text)
