from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from backend.errors import InvalidInput
from workers.recipes.positives.rank_bands import RankBand
from workers.recipes.positives.schema import PositivesParams


def test_the_default_is_40_to_80_percent_of_the_others_with_all_templates():
    params = PositivesParams()
    assert params.band(11) == RankBand(4, 8)
    assert (params.seed, params.targets, params.templates) == (42, 1, (0, 1, 2))
    assert (params.references, params.images, params.captions) == ("all", "all", "metadata")


def test_the_published_run_on_fashioniq():
    params = PositivesParams(protocol="published:fashioniq")
    assert (params.references, params.images) == ("existing", "triplets")
    assert (params.templates, params.words) == ((2,), 4)
    assert params.band(25_136) == RankBand(9_999, 19_999)  # the reference itself had rank 0


def test_the_published_run_on_cirr():
    params = PositivesParams(protocol="published:cirr")
    assert (params.references, params.images) == ("all", "triplets")
    assert (params.templates, params.words) == ((0, 1), 8)
    assert params.band(16_939) == RankBand(9_999, 14_999)


@pytest.mark.parametrize(("name", "value"), [("low", 0.1), ("templates", [0]), ("words", 7)])
def test_what_a_published_protocol_fixes_cannot_be_chosen(name, value):
    with pytest.raises(ValidationError, match=f"published:cirr fixes {name}: leave it out"):
        PositivesParams.model_validate({"protocol": "published:cirr", name: value})


def test_the_rest_can_be_chosen_under_a_published_protocol_too():
    params = PositivesParams(protocol="published:fashioniq", targets=3, seed=1)
    assert (params.targets, params.seed) == (3, 1)


def test_a_band_that_ends_before_it_begins_is_told():
    with pytest.raises(ValidationError, match=r"the band ends at 0\.3, before it begins at 0\.5"):
        PositivesParams(low=0.5, high=0.3)


@pytest.mark.parametrize("templates", [(), (3,), (0, 0)])
def test_templates_that_do_not_exist_or_come_twice_are_told(templates):
    with pytest.raises(ValidationError):
        PositivesParams(templates=templates)


def test_a_name_cannot_lead_out_of_the_folder():
    with pytest.raises(ValidationError):
        PositivesParams(name="../x")


def test_options_are_json_or_plain_text():
    given = ["templates=[2]", "low = 0.1", "captions=coca", "most=null", "coca_weights=w.pt"]
    params = PositivesParams.given(given)
    assert params == PositivesParams(
        templates=(2,), low=0.1, captions="coca", coca_weights=Path("w.pt")
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("low", '"low" sets nothing: write an option as name=value'),
        ("low=2", "The option low is refused: input should be less than 1"),
        ("lwo=0.2", "There is no option lwo: choose of protocol, seed, low"),
        ("low=0.9", r"The options are refused: the band ends at 0\.8, before it begins at 0\.9"),
    ],
)
def test_options_that_do_not_fit_are_told(text, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        PositivesParams.given([text])
