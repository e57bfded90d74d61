"""From two captions to what should change: SPN4CIR's templates (Feng et al. 2024)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

TEMPLATES = ("{target} instead of {reference}", "Unlike {reference}, I want {target}", "{target}")
"""By their published numbers: 0 and 1 name both pictures, 2 the target alone."""

Cut = Callable[[Sequence[str]], Sequence[bool]]
"""Whether each text is longer than a backbone reads."""


def relative_captions(
    pairs: Sequence[tuple[str, str]], templates: Sequence[int], cut: Cut
) -> list[tuple[str, ...]]:
    """The sentences of each pair of captions (reference, target), one for each template.

    templates: numbers into `TEMPLATES`. Where a sentence is longer than the backbone reads, the
    target's caption alone stands in for it.
    """
    told = [
        TEMPLATES[number].format(reference=reference, target=target)
        for reference, target in pairs
        for number in templates
    ]
    alone = [target for _, target in pairs for _ in templates]
    fitting = [
        short if too_long else long
        for long, short, too_long in zip(told, alone, cut(told), strict=True)
    ]
    width = len(templates)
    return [tuple(fitting[at : at + width]) for at in range(0, len(fitting), width)]
