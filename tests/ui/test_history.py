"""A visit is a list of steps: asked in order, walked back, and cut off where one asks anew."""

from __future__ import annotations

from ui.history import History, Query, Reference

DRESS = Reference("A dress", "/thumb", image_id="i1")


def test_a_visit_starts_with_nothing_asked() -> None:
    assert History().current.empty


def test_each_question_is_a_step_and_the_same_one_again_is_none() -> None:
    history = History()
    history.push(Query(DRESS))
    history.push(Query(DRESS, "but red"))
    history.push(Query(DRESS, "but red"))
    assert [query.text for query in history.steps] == ["", "", "but red"]


def test_walking_back_keeps_the_later_steps_until_one_asks_anew() -> None:
    history = History()
    history.push(Query(DRESS))
    history.push(Query(DRESS, "but red"))
    history.go(1)
    assert history.current == Query(DRESS)
    assert len(history.steps) == 3
    history.push(Query(DRESS, "with dots"))
    assert [query.text for query in history.steps] == ["", "", "with dots"]


def test_one_cannot_walk_out_of_the_history() -> None:
    history = History()
    history.go(-3)
    assert history.position == 0
    history.go(7)
    assert history.position == 0


def test_strength_and_without_adjust_the_step_in_place() -> None:
    history = History()
    history.push(Query(DRESS, "but red"))
    history.adjust(strength=0.5, without=("dots",))
    assert len(history.steps) == 2
    assert history.current == Query(DRESS, "but red", ("dots",), 0.5)


def test_a_query_asks_the_api_for_what_it_holds() -> None:
    query = Query(DRESS, "but red", ("dots",), -0.5, "slerp")
    request = query.request(["category=dress"], 24)
    assert request.reference_image_id == "i1"
    assert (request.text, request.without, request.strength) == ("but red", ["dots"], -0.5)
    assert request.composer == "slerp"
    assert (request.filters, request.limit) == (["category=dress"], 24)


def test_strength_and_composer_say_nothing_where_there_is_only_one_part() -> None:
    for query in (Query(DRESS, strength=0.5, composer="slerp"), Query(None, "red", (), 0.5, "sum")):
        request = query.request([], 24)
        assert (request.strength, request.composer) == (0, None)
