"""The measure of each benchmark: by hand, against sorted lists in float64, and at chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from tests.workers.metrics.asking import all_scores, asked, ranked_list, scorings
from workers.metrics import catalogue, circo, cirr, coco, fashioniq, genecis, imagenet, wardrobe
from workers.metrics.scores import Similarities


def fixed(scores):
    """A scorer that gives exactly these scores (q, n)."""
    table = np.array(scores, np.float32)
    return Similarities(table, np.eye(table.shape[1], dtype=np.float32))


def constant(queries, items):
    return Similarities(np.ones((queries, 2), np.float32), np.ones((items, 2), np.float32))


def means(outcome) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in outcome.values.items()}


def hits(scores, target, k, gone=()):
    """Expected hit in percent, by listing the others."""
    others = [s for i, s in enumerate(scores) if i != target and i not in gone]
    above, tied = (sum(map(op, others)) for op in (scores[target].__lt__, scores[target].__eq__))
    return 100 * min(max((k - above) / (tied + 1), 0), 1)


def test_fashioniq_keeps_the_reference_and_spn4cir_takes_it_out():
    scorer = fixed([[*range(30, 18, -1)]])  # item 0 is best
    questions = asked([10], references=[0])
    kept, gone = (
        means(fashioniq.measure(scorer, questions, fashioniq.BENCHMARK.protocol(name)))
        for name in ("default", "published:spn4cir")
    )
    assert (kept["R@10"], kept["R@50"], kept["mean"]) == (0, 100, 50)
    assert (gone["R@10"], gone["R@50"], gone["mean"]) == (100, 100, 100)


def test_cirr_by_hand():
    # Items 0..7; the set is 0..5, 0 the reference. The target 3 is beaten by 6, 0 and 1.
    scores = [9, 7, 1, 6, 2, 3, 8, 0]
    questions = asked([3], references=[0], subsets=[[0, 1, 2, 3, 4, 5]])
    found = cirr.measure(fixed([scores]), questions, cirr.BENCHMARK.protocol("default"))
    figures = {name: value[0] for name, value in found.values.items()}
    assert (figures["R@1"], figures["R@5"], figures["R@10"]) == (0, 100, 100)
    assert (figures["Rs@1"], figures["Rs@2"], figures["Rs@3"]) == (0, 100, 100)
    assert figures["mean(R@5,Rs@1)"] == 50
    assert found.ranks == [3]


@given(scorings(least_items=7))
@settings(max_examples=120, deadline=None)
def test_cirr_agrees_with_lists_and_a_subset_is_the_ranking_restricted_to_it(case):
    scorer, rng = case
    queries, items = scorer.shape
    sets = [list(rng.choice(items, 6, replace=False)) for _ in range(queries)]
    questions = asked([s[1] for s in sets], [s[0] for s in sets], subsets=sets)
    found = cirr.measure(scorer, questions, cirr.BENCHMARK.protocol("default")).values
    for row, (scores, members) in enumerate(zip(all_scores(scorer), sets, strict=True)):
        reference, target = members[:2]
        for k in (1, 5, 10, 50):
            assert found[f"R@{k}"][row] == pytest.approx(hits(scores, target, k, [reference]))
        outside = [reference, *set(range(items)).difference(members)]
        for k in (1, 2, 3):
            assert found[f"Rs@{k}"][row] == pytest.approx(hits(scores, target, k, outside))


def test_chance_is_a_fifth_in_a_subset_of_cirr():
    sets = [[0, 1, 2, 3, 4, 5], [9, 8, 7, 6, 5, 4]]
    questions = asked([1, 8], [0, 9], subsets=sets)
    found = means(cirr.measure(constant(2, 20), questions, cirr.BENCHMARK.protocol("default")))
    assert found["Rs@1"] == pytest.approx(20)
    assert found["R@1"] == pytest.approx(100 / 19)


def test_pic2word_has_no_subset():
    questions = asked([1], [0], subsets=[[0, 1, 2, 3, 4, 5]])
    protocol = cirr.BENCHMARK.protocol("published:pic2word")
    found = cirr.measure(constant(1, 9), questions, protocol)
    assert list(found.values) == ["R@1", "R@5", "R@10", "R@50", "R@100"]


def test_circo_by_hand():
    # Ranked 4, 0, 2, 1, 3, 5; the answers 2 (the target) and 3 stand third and fifth.
    scores = [5, 3, 4, 2, 6, 1]
    questions = asked([2], references=[4], positives=[[2, 3]])
    kept = circo.measure(fixed([scores]), questions, circo.BENCHMARK.protocol("default"))
    assert kept.values["mAP@5"][0] == pytest.approx(100 * (1 / 3 + 2 / 5) / 2)
    assert kept.values["R@5"][0] == 100
    assert kept.ranks == [3]
    gone = circo.measure(fixed([scores]), questions, circo.BENCHMARK.protocol("reference-removed"))
    assert gone.values["mAP@5"][0] == pytest.approx(100 * (1 / 2 + 2 / 4) / 2)


@given(scorings(least_items=6))
@settings(max_examples=100, deadline=None)
def test_circo_agrees_with_sorted_lists(case):
    scorer, rng = case
    queries, items = scorer.shape
    answers = [list(rng.choice(items, rng.integers(1, 6), replace=False)) for _ in range(queries)]
    questions = asked([a[0] for a in answers], positives=answers)
    found = circo.measure(scorer, questions, circo.BENCHMARK.protocol("default")).values
    for row, (scores, right) in enumerate(zip(all_scores(scorer), answers, strict=True)):
        listed = ranked_list(scores)
        for k in (5, 10, 25, 50):
            places = sorted(listed.index(item) + 1 for item in right)
            total = sum((n + 1) / place for n, place in enumerate(places) if place <= k)
            assert found[f"mAP@{k}"][row] == pytest.approx(100 * total / min(len(right), k))
            assert found[f"R@{k}"][row] == pytest.approx(hits(scores, right[0], k))


def test_genecis_ranks_a_gallery_of_the_querys_own():
    scores = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]]
    questions = asked([4, 0], subsets=[[4, 5, 0, 1], [0, 1]])
    protocol = genecis.BENCHMARK.protocol("default")
    found = genecis.measure(fixed(scores), questions, protocol).values
    assert [list(found[f"R@{k}"]) for k in (1, 2, 3)] == [[0, 0], [100, 100], [100, 100]]
    chance = genecis.measure(constant(2, 6), questions, protocol).values
    assert list(chance["R@1"]) == pytest.approx([25, 50])


def test_coco_is_ranked_in_both_directions():
    scores = [[3, 2, 1], [9, 8, 0], [1, 2, 3]]
    protocol = coco.BENCHMARK.protocol("default")
    found = coco.measure(fixed(scores), asked([0, 1, 2]), protocol).values
    assert list(found["mean rank"]) == [1, 2, 1]  # by rows
    assert list(found["back mean rank"]) == [2, 1, 1]  # by columns
    assert list(found["back R@1"]) == [0, 100, 100]
    assert coco.BENCHMARK.medians == {"median rank", "back median rank"}
    assert coco.BENCHMARK.medians < found.keys()


def test_coco_of_a_constant_scorer_is_in_the_middle():
    protocol = coco.BENCHMARK.protocol("default")
    found = means(coco.measure(constant(5, 5), asked([0, 1, 2, 3, 4]), protocol))
    assert (found["R@1"], found["mean rank"], found["back mean rank"]) == (20, 3, 3)


def test_imagenet_keeps_queries_whose_class_is_absent():
    scores = [[5, 4, 3, 2, 1], [1, 2, 3, 4, 5]]
    questions = asked([0, -1], positives=[[0, 2, 4], []])
    exact = imagenet.measure(fixed(scores), questions, imagenet.BENCHMARK.protocol("default"))
    assert list(exact.values["R@1"]) == pytest.approx([100 / 3, 0])
    assert list(exact.values["R@5"]) == [100, 0]
    assert list(exact.values["P@1"]) == [100, 0]
    assert list(exact.values["P@5"]) == [60, 0]
    assert exact.ranks[0] == 1
    assert np.isnan(exact.ranks[1])
    protocol = imagenet.BENCHMARK.protocol("published:pic2word")
    published = imagenet.measure(fixed(scores), questions, protocol)
    assert published.values["R@5"][0] == pytest.approx(100 * 3 / (3 + 1e-5))
    assert published.values["R@5"][0] != 100


@given(scorings())
@settings(max_examples=60, deadline=None)
def test_imagenet_without_ties_agrees_with_sorted_lists(case):
    scorer, rng = case
    queries, items = scorer.shape
    scores = rng.permuted(np.tile(np.arange(items, dtype=np.float32), (queries, 1)), axis=1)
    answers = [list(rng.choice(items, rng.integers(0, 5), replace=False)) for _ in range(queries)]
    questions = asked([-1] * queries, positives=answers)
    protocol = imagenet.BENCHMARK.protocol("default")
    found = imagenet.measure(fixed(scores), questions, protocol).values
    for row, right in enumerate(answers):
        listed = ranked_list(scores[row])
        for k in imagenet.KS:
            hit = len(set(listed[:k]) & set(right))
            assert found[f"P@{k}"][row] == pytest.approx(100 * hit / k)
            assert found[f"R@{k}"][row] == pytest.approx(100 * hit / max(1, len(right)))


def test_a_product_of_a_catalogue_is_found_by_the_best_of_its_pictures():
    """Items 0 and 3 are its pictures, item 1 the reference, item 2 a rival above both."""
    scores = [[0.4, 0.9, 0.8, 0.6, 0.5]]
    questions = asked([0], references=[1], positives=[[0, 3]])
    protocol = catalogue.BENCHMARK.protocol("default")
    found = catalogue.measure(fixed(scores), questions, protocol)
    assert list(found.ranks) == [2]  # not 3, though its first picture stands behind item 4
    assert means(found)["MRR"] == pytest.approx(50)
    assert means(found)["R@1"] == 0
    assert means(found)["R@5"] == 100


@given(scorings())
@settings(deadline=None)
def test_with_one_picture_a_product_a_catalogue_is_measured_as_a_wardrobe(made):
    scorer, rng = made
    queries, items = scorer.shape
    targets = rng.integers(items, size=queries)
    questions = asked(targets, references=(targets + 1) % items)
    own, other = (
        means(one.measure(scorer, questions, one.BENCHMARK.protocol("default")))
        for one in (catalogue, wardrobe)
    )
    assert own == pytest.approx(other)


def test_wardrobe_has_the_mean_reciprocal_rank_in_percent():
    questions = asked([1, 3], references=[0, -1])
    scores = [[9, 8, 7, 6], [9, 8, 7, 6]]
    found = wardrobe.measure(fixed(scores), questions, wardrobe.BENCHMARK.protocol("default"))
    assert list(found.values["MRR"]) == pytest.approx([100, 25])
    assert list(found.values) == ["R@1", "R@5", "R@10", "R@50", "MRR"]


@given(scorings())
@settings(max_examples=60, deadline=None)
def test_an_order_of_the_queries_is_an_order_of_the_values(case):
    scorer, rng = case
    queries, items = scorer.shape
    targets, order = rng.integers(0, items, queries), rng.permutation(queries)
    protocol = wardrobe.BENCHMARK.protocol("reference-kept")
    before = wardrobe.measure(scorer, asked(targets), protocol).values
    moved = Similarities(scorer.queries[order], scorer.gallery)
    after = wardrobe.measure(moved, asked(targets[order]), protocol).values
    for name, values in before.items():
        assert np.array_equal(values[order], after[name])
