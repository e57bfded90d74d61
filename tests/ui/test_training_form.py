"""The form of a training, made from the recipe's own schema."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from backend.errors import InvalidInput
from backend.training.schemas import FolderData, ImageData, TripletData, Value
from tests.ui.conftest import Visit
from tests.ui.shop import Shop
from tests.ui.standin_admin import add_gallery
from tests.ui.standin_models import COMBINER, add_version, deploy
from ui import training_form


@pytest.fixture
def form(visit: Visit, shop: Shop) -> AppTest:
    """The page with the form open, over a shop with one accepted triplet."""
    version = add_version(shop, "akin-demo · sum")
    add_gallery(shop, "g-9f86", active=True)
    deploy(shop, version.id, "at start")
    one, other, *_ = shop.products.values()
    shop.triplet(one, "in red", other, state="accepted")
    page = visit("models")
    page.session_state["train"] = True
    page.run()
    assert not page.exception
    return page


def start(page: AppTest) -> AppTest:
    return page.button(key="train_start").click().run()


def test_untouched_options_are_left_to_the_recipe(form: AppTest, shop: Shop) -> None:
    form.text_input(key="train_name").set_value("mine").run()
    start(form)
    (asked,) = shop.trainings
    assert asked.model_dump() == {
        "recipe": "combiner",
        "parameters": {},
        "preset": None,
        "data": TripletData().model_dump(),
        "parent": next(iter(shop.versions)),
        "name": "mine",
        "device": None,
    }
    assert "It is queued" in form.success[0].value
    assert form.text_input(key="train_name").value == ""


def test_a_preset_fills_the_fields_and_what_is_typed_over_it_is_sent(
    form: AppTest, shop: Shop
) -> None:
    form.button_group(key="preset_combiner").set_value("small-data").run()
    assert form.number_input(key="option_combiner_batch").value == 512
    assert form.selectbox(key="option_combiner_schedule").value == "cosine"
    form.number_input(key="option_combiner_epochs").set_value(40)
    form.number_input(key="option_combiner_patience").set_value(3)
    form.text_input(key="option_combiner_added").set_value("spn")
    form.checkbox(key="option_combiner_half").check().run()
    start(form)
    (asked,) = shop.trainings
    assert asked.preset == "small-data"
    assert asked.parameters == {"epochs": 40, "patience": 3, "added": "spn", "half": True}


def test_few_triplets_have_a_preset_of_their_own(
    visit: Visit, form: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form is open already: this is another visit."""
    monkeypatch.setitem(COMBINER.presets, "few-triplets", {"batch": 32})
    page = visit("models")
    page.session_state["train"] = True
    page.run()
    assert page.selectbox(key="train_recipe").value == "combiner"
    assert page.button_group(key="preset_combiner").value == "few-triplets"
    assert page.number_input(key="option_combiner_batch").value == 32


def test_going_back_to_the_published_values_takes_the_preset_away(form: AppTest) -> None:
    form.button_group(key="preset_combiner").set_value("small-data").run()
    form.button_group(key="preset_combiner").set_value("as published").run()
    assert form.number_input(key="option_combiner_batch").value == 4096
    assert form.number_input(key="option_combiner_lr").value == 2e-5


def test_bounds_of_the_schema_hold_in_the_fields(form: AppTest) -> None:
    assert form.number_input(key="option_combiner_batch").min == 2
    assert form.number_input(key="option_combiner_patience").value is None
    assert form.number_input(key="option_combiner_seed").max == 2**53 - 1
    assert form.selectbox(key="option_combiner_schedule").options == ["constant", "cosine"]


def test_a_refusal_stands_beside_the_form_and_nothing_typed_is_lost(
    form: AppTest, shop: Shop
) -> None:
    form.text_input(key="train_name").set_value("akin-demo · sum")
    form.number_input(key="option_combiner_lr").set_value(0.5).run()
    start(form)
    assert "There is a model version called" in form.error[0].value
    assert form.text_input(key="train_name").value == "akin-demo · sum"
    form.text_input(key="train_name").set_value("new")
    form.number_input(key="option_combiner_lr").set_value(0.0).run()
    start(form)
    assert "The option lr is 0" in form.error[0].value.replace("\\", "")
    form.number_input(key="option_combiner_lr").set_value(0.5).run()
    assert not form.error
    start(form)
    assert shop.trainings[0].parameters == {"lr": 0.5}


def test_what_the_request_itself_refuses_is_a_sentence_too(form: AppTest, shop: Shop) -> None:
    form.button_group(key="train_splits").set_value(["val"]).run()
    start(form)
    assert "must include train" in form.error[0].value.replace("\\", "")
    assert not shop.trainings
    with pytest.raises(InvalidInput, match="The data folder path does not fit"):
        training_form.request_of({"recipe": "x", "data": {"kind": "folder", "path": ""}})


def test_triplets_are_counted_by_split_and_their_lack_is_told(form: AppTest, shop: Shop) -> None:
    options = form.button_group(key="train_splits").options
    assert options == ["train · 1", "val · 0", "test · 0"]
    assert not form.warning
    shop.triplets.clear()
    form.run()
    assert "No accepted triplet is in the split train" in form.warning[0].value


def test_other_recipes_take_other_data(form: AppTest, shop: Shop) -> None:
    form.selectbox(key="train_recipe").select("pic2word").run()
    assert any("48 products of the split train" in text.value for text in form.caption)
    form.selectbox(key="train_device").select("cpu").run()
    start(form)
    assert shop.trainings[0].data == ImageData()
    assert shop.trainings[0].device == "cpu"
    form.button_group(key="train_data_images").set_value("A dataset folder").run()
    form.text_input(key="train_folder").set_value("fashion-iq").run()
    start(form)
    assert shop.trainings[1].data == FolderData(path="fashion-iq")


def test_only_what_differs_is_sent() -> None:
    usual: dict[str, Value] = {
        "batch": 512,
        "epochs": 60,
        "lr": 0.001,
        "schedule": "cosine",
        "patience": None,
    }
    told: dict[str, Value] = usual | {"added": None, "half": False, "seed": 7}
    assert training_form.changed(COMBINER, "small-data", told) == {"seed": 7}
