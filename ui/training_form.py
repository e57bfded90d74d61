"""Training a new version: recipe, data, options, where to start from."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st
from pydantic import ValidationError

from backend.errors import AkinError, InvalidInput
from backend.registry.schemas import VersionOut
from backend.training.schemas import ORIGINS, RecipeOut, TrainRequest, Value
from ui import training_options
from ui.connection import client
from ui.models_known import Known
from ui.text import amount, plain

_QUICK = "combiner"
_FOR_FEW = "few-triplets"
_FEW = 5_000
"""Below so many triplets a network that starts from nothing ends below the sum."""
_NO_PRESET = "as published"
_SOURCES = {
    "feedback": "from shoppers",
    "import": "from files",
    "spn-positives": "made by a model",
}
_SPLITS = ("train", "val", "test")
_CHOSEN_SPLITS = ("train", "val")
_OWN = "own"
_DEVICES = {_OWN: "the workers' own setting", "auto": "auto", "cpu": "cpu", "cuda": "cuda"}
_WHAT = {"triplets": "triplets", "images": "pictures", "titles": "titles"}
_VERSIONS = 200


def draw(known: Known) -> None:
    """The panel; what is typed in it stays when the server refuses it."""
    panel = st.expander(
        "Train a new version", icon=":material/model_training:", key="train", on_change="rerun"
    )
    if not panel.open:
        return
    with panel:
        recipes = {one.name: one for one in sorted(client().recipes(), key=_first_of_all)}
        recipe = recipes[
            st.selectbox("Recipe", list(recipes), key="train_recipe", format_func=_titled(recipes))
        ]
        data = _data(recipe)
        preset = _preset(recipe)
        options = training_options.draw(recipe)
        more = _where_from(known)
        _start(recipe, preset, options, {"data": data} | more)


def _first_of_all(recipe: RecipeOut) -> bool:
    """The recipe that is quick on any machine, and takes over at once, is offered first."""
    return recipe.name != _QUICK


def changed(recipe: RecipeOut, preset: str | None, options: dict[str, Value]) -> dict[str, Value]:
    """The options that are other than the recipe and the preset have them."""
    usual = training_options.defaults(recipe, preset)
    return {name: value for name, value in options.items() if value != usual[name]}


def _titled(recipes: dict[str, RecipeOut]) -> Any:
    return lambda name: f"{name}: {recipes[name].about}"


def _preset(recipe: RecipeOut) -> str | None:
    if not recipe.presets:
        return None
    key = f"preset_{recipe.name}"
    if key not in st.session_state:
        st.session_state[key] = _fitting(recipe)
        _fill(recipe, key)
    chosen = st.segmented_control(
        "Values",
        [_NO_PRESET, *recipe.presets],
        required=True,
        key=key,
        on_change=_fill,
        args=(recipe, key),
        help="A preset fills the fields below for a size of data or of GPU memory.",
    )
    return None if chosen in (None, _NO_PRESET) else chosen


def _fitting(recipe: RecipeOut) -> str:
    """The preset for as many triplets as are accepted."""
    if _FOR_FEW not in recipe.presets:
        return _NO_PRESET
    count = client().triplet_summary().accepted_splits.get("train", 0)
    return _FOR_FEW if count < _FEW else _NO_PRESET


def _fill(recipe: RecipeOut, key: str) -> None:
    chosen = st.session_state[key]
    training_options.fill(recipe, None if chosen in (None, _NO_PRESET) else chosen)


def _data(recipe: RecipeOut) -> dict[str, Any]:
    catalogue = f"The catalogue's {_WHAT[recipe.takes]}"
    kind = st.segmented_control(
        "Data",
        [catalogue, "A dataset folder"],
        default=catalogue,
        required=True,
        key=f"train_data_{recipe.takes}",
        help=f"It trains on {recipe.data}.",
    )
    if kind == "A dataset folder":
        path = st.text_input(
            "Folder", key="train_folder", max_chars=1000, placeholder="fashion-iq",
            help="On the server, below AKIN_DATASETS.",
        )  # fmt: skip
        return {"kind": "folder", "path": path.strip()}
    if recipe.takes == "triplets":
        return _triplets()
    count = client().summary().splits.get("train", 0)
    st.caption(f"{amount(count, 'product')} of the split train.")
    return {"kind": recipe.takes}


def _triplets() -> dict[str, Any]:
    summary = client().triplet_summary()
    held = summary.accepted_splits
    with st.container(horizontal=True, key="train_triplets"):
        splits = st.pills(
            "Accepted triplets",
            _SPLITS,
            selection_mode="multi",
            default=_CHOSEN_SPLITS,
            key="train_splits",
            format_func=lambda split: f"{split} · {held.get(split, 0):,}",
            help="Trained on is train; val chooses the weights; test is kept for measuring.",
        )
        sources = st.pills(
            "Where they come from",
            ORIGINS,
            selection_mode="multi",
            default=ORIGINS,
            key="train_sources",
            format_func=lambda source: f"{_SOURCES[source]} · {summary.sources.get(source, 0):,}",
            help="Counted are all triplets of a source; trained on are the accepted ones.",
        )
    if not held.get("train"):
        st.warning(
            "No accepted triplet is in the split train: accept some on the Triplets page first.",
            icon=":material/rule:",
        )
    return {"kind": "triplets", "splits": splits, "sources": sources}


def _where_from(known: Known) -> dict[str, Any]:
    versions = [
        one
        for one in client().models(limit=_VERSIONS).items
        if one.state in ("ready", "archived") and not one.active
    ]
    named: dict[str, VersionOut] = {one.id: one for one in (known.active, *versions)}
    parent, name, device = st.columns(3)
    chosen = device.selectbox(
        "Device", list(_DEVICES), key="train_device", format_func=_DEVICES.__getitem__
    )
    return {
        "parent": parent.selectbox(
            "Start from", list(named), key="train_parent", format_func=lambda id_: named[id_].name
        ),
        "name": name.text_input(
            "Name", key="train_name", max_chars=100, placeholder="recipe and date, if left empty"
        ).strip()
        or None,
        "device": None if chosen == _OWN else chosen,
    }


def _start(
    recipe: RecipeOut, preset: str | None, options: dict[str, Value], more: dict[str, Any]
) -> None:
    asked = {
        "recipe": recipe.name,
        "preset": preset,
        "parameters": changed(recipe, preset, options),
    } | more
    with st.container(horizontal=True, vertical_alignment="center", key="train_row"):
        st.button("Start", key="train_start", type="primary", on_click=partial(_train, asked))
        if refusal := st.session_state.pop("train_refusal", None):
            st.error(plain(refusal), icon=":material/error:")
        elif st.session_state.pop("train_started", None):
            st.success("It is queued: see it below.", icon=":material/check:")


def _train(asked: dict[str, Any]) -> None:
    try:
        client().train(request_of(asked))
    except AkinError as error:
        st.session_state["train_refusal"] = error.sentence
        return
    st.session_state["train_started"] = True
    st.session_state["train_name"] = ""


def request_of(asked: dict[str, Any]) -> TrainRequest:
    """The request, checked before it is sent.

    Raises:
        InvalidInput: if a field cannot be what was typed.
    """
    try:
        return TrainRequest.model_validate(asked)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(str(part) for part in first["loc"])
        raise InvalidInput(f"The {place} does not fit: {first['msg']}.") from error
