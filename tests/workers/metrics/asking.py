"""Small questions for the tests: whole-number features, whose scores are exact and tie often."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from workers.metrics.protocols import Asked
from workers.metrics.questions import padded
from workers.metrics.scores import Similarities


@st.composite
def scorings(draw, least_items=4):
    """(scorer, generator): a few queries and items of three whole numbers each."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    queries, items = rng.integers(1, 7), rng.integers(least_items, 24)
    return whole_numbers(rng, queries, items), rng


def whole_numbers(rng, queries, items, dim=3):
    """A scorer over features of -2 ... 2."""
    q, gallery = (rng.integers(-2, 3, (n, dim)).astype(np.float32) for n in (queries, items))
    return Similarities(q, gallery)


def all_scores(scorer):
    """(q, n) scores in float64, one product after another."""
    return np.array(
        [[float(np.dot(q.astype(np.float64), g)) for g in scorer.gallery] for q in scorer.queries]
    )


def asked(targets, references=None, positives=None, subsets=None):
    """Questions from plain lists; the reference is nowhere in the gallery unless given."""
    count = len(targets)
    return Asked(
        targets=np.array(targets),
        references=np.array([-1] * count if references is None else references),
        positives=padded([[t] for t in targets] if positives is None else positives),
        subsets=padded([[]] * count if subsets is None else subsets),
    )


def ranked_list(scores, excluded=-1):
    """Item numbers best first, ties in gallery order, by sorting everything."""
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], item))
    return [item for item in order if item != excluded]
