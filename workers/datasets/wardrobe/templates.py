"""Sentence frames by role. No frame of one role occurs in another, so that an evaluation asks in
sentences never trained on; the words that fill the frames (`words.py`) are shared.

`{x}` is a noun phrase about the garment, `{colour}` a colour word, `{adj}` an adjective, `{np}` a
noun phrase that follows "with", `{old}` what the reference has and the target has not.
"""

from __future__ import annotations

from workers.datasets.wardrobe.garments import Role

Frames = tuple[str, ...]

DESCRIBE: dict[Role, Frames] = {
    "train": (
        "{x}",
        "{x}",
        "a photo of {x}",
        "a picture of {x}",
        "product photo of {x}",
        "this is {x}",
        "show me {x}",
        "I am looking for {x}",
        "I want {x}",
        "find {x}",
        "shop picture: {x}",
        "{x}, please",
        "{x} on a light background",
        "{x}, new in",
        "do you have {x}",
        "searching for {x}",
        "we sell {x}",
        "buy {x}",
        "something like {x}",
        "I'd like {x}",
    ),
    "choose": ("an image of {x}", "I need {x}", "have you got {x}", "looking to buy {x}"),
    "heldout": ("a studio shot of {x}", "get me {x}", "is there {x}", "what about {x}"),
}

# One attribute alone, as somebody might jot it down: true of every picture that has it.
MENTION: dict[Role, dict[str, Frames]] = {
    "train": {
        "colour": (
            "{colour}",
            "in {colour}",
            "something {colour}",
            "it is {colour}",
            "the {colour} one",
            "a {colour} one",
            "colour: {colour}",
            "coloured {colour}",
            "{colour} version",
            "{colour} colour",
            "I want it {colour}",
            "{colour} all over",
            "but {colour}",
            "is {colour}",
            "make it {colour}",
            "should be {colour}",
            "in a {colour} colour",
            "change it to {colour}",
        ),
        "adjective": (
            "{adj}",
            "something {adj}",
            "it is {adj}",
            "the {adj} one",
            "a {adj} one",
            "a {adj} design",
            "is {adj}",
            "but {adj}",
            "I want it {adj}",
            "{adj} style",
            "make it {adj}",
            "should be {adj}",
        ),
        "noun": (
            "{np}",
            "with {np}",
            "it has {np}",
            "has {np}",
            "featuring {np}",
            "something with {np}",
            "the one with {np}",
            "but with {np}",
            "I want {np}",
            "there is {np}",
            "showing {np}",
            "has got {np}",
            "give it {np}",
            "should have {np}",
            "add {np}",
        ),
    },
    "choose": {
        "colour": ("all in {colour}", "some {colour} thing"),
        "adjective": ("some {adj} thing", "rather {adj}"),
        "noun": ("it comes with {np}", "anything with {np}"),
    },
    "heldout": {
        "colour": ("it comes in {colour}", "anything {colour}"),
        "adjective": ("anything {adj}", "looks {adj}"),
        "noun": ("one that has {np}", "you can see {np}"),
    },
}

# The change from a reference to a target. Frames with {old} are used where there is such a word.
RELATIVE: dict[Role, dict[str, Frames]] = {
    "train": {
        "colour": (
            "same but {colour}",
            "but {colour}",
            "in {colour}",
            "{colour} version",
            "the same in {colour}",
            "change the colour to {colour}",
            "make it {colour}",
            "I want it in {colour}",
            "is {colour} instead of {old}",
            "{colour} rather than {old}",
            "more {colour}, less {old}",
            "colour it {colour}",
            "identical but coloured {colour}",
        ),
        "adjective": (
            "same but {adj}",
            "but {adj}",
            "make it {adj}",
            "should be {adj}",
            "I prefer it {adj}",
            "is {adj} instead",
            "turn it into a {adj} one",
            "the {adj} version of it",
        ),
        "noun": (
            "same but with {np}",
            "but with {np}",
            "with {np}",
            "give it {np}",
            "I'd like this with {np}",
            "has {np} instead",
            "should have {np}",
            "change it to {np}",
            "with {np} instead of {old}",
            "replace {old} with {np}",
            "make it with {np}",
        ),
    },
    "choose": {
        "colour": (
            "{colour} please",
            "do you have it in {colour}",
            "swap {old} for {colour}",
            "a {colour} one of these",
            "just like this, only {colour}",
        ),
        "adjective": (
            "just like this, only {adj}",
            "{adj} please",
            "could it be {adj}",
            "the same thing, {adj}",
        ),
        "noun": (
            "just like this, only with {np}",
            "{np} please",
            "swap {old} for {np}",
            "could it have {np}",
            "the same thing with {np}",
        ),
    },
    "heldout": {
        "colour": (
            "{colour} instead",
            "like this but in {colour}",
            "the one I want is {colour}",
            "this one, though {colour}",
            "{colour}, not {old}",
            "can I get this in {colour}?",
            "I like it, but I would like {colour} better",
        ),
        "adjective": (
            "{adj} instead",
            "like this but {adj}",
            "the one I want is {adj}",
            "can I get this {adj}?",
            "a similar one that is {adj}",
            "I like it, but it must be {adj}",
        ),
        "noun": (
            "like this but with {np}",
            "{np} instead",
            "the one I want has {np}",
            "{np}, not {old}",
            "can I get this with {np}?",
            "I like it, but it needs {np}",
        ),
    },
}
