"""What triplets say of each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.feedback.relations import Related, Saying, related

SAYINGS = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.sampled_from(["red", "Red. "]),
        st.sampled_from("AB"),
        st.booleans(),
    ),
    max_size=6,
).map(lambda rows: [Saying(str(n), *row) for n, row in enumerate(rows)])


def found(*rows: tuple[str, str, str, bool]) -> list[Related]:
    told = related([Saying(str(n), *row) for n, row in enumerate(rows)])
    return [told[str(n)] for n in range(len(rows))]


def test_the_same_again_is_counted_whatever_its_case() -> None:
    first, second, other = found(
        ("A", "in red", "B", True), ("A", "In  Red.", "B", True), ("A", "in red", "C", True)
    )
    assert (first, second) == (Related(said_again=1), Related(said_again=1))
    assert other == Related()


def test_wanted_and_not_wanted_contradict_each_other() -> None:
    assert found(("A", "red", "B", True), ("A", "red", "B", False)) == [Related(opposite=True)] * 2


def test_the_same_words_cannot_lead_both_ways() -> None:
    assert found(("A", "red", "B", True), ("B", "red", "A", True)) == [Related(both_ways=True)] * 2
    assert found(("A", "red", "B", True), ("B", "red", "A", False)) == [Related(), Related()]
    assert found(("A", "red", "B", True), ("B", "blue", "A", True)) == [Related(), Related()]


def test_one_picture_on_both_sides_is_told_and_no_contradiction() -> None:
    (only,) = found(("A", "red", "A", True))
    assert (only.same_picture, only.disputed) == (True, False)
    assert only.parts == {"same_picture": True}


@given(SAYINGS)
def test_contradictions_are_mutual(told: list[Saying]) -> None:
    found = related(told)
    for one in told:
        partners = [
            other
            for other in told
            if (other.reference, other.words, other.target)
            == (one.reference, one.words, one.target)
            and other.is_target != one.is_target
        ]
        assert found[one.id].opposite == bool(partners)
        assert all(found[other.id].opposite for other in partners)
