"""The options of a recipe as fields of a form, made from their JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, log10
from typing import Any

import streamlit as st

from backend.training.schemas import RecipeOut, Value
from ui.text import plain

FIRST = ("epochs", "lr", "batch")
"""The options that matter most; the others stand under "More options"."""
_LABELS = {"lr": "Learning rate", "batch": "Batch size"}
_MOST = (1 << 53) - 1
"""The largest whole number that a browser keeps exactly."""
_COLUMNS = 3


def defaults(recipe: RecipeOut, preset: str | None) -> dict[str, Value]:
    """Every option as the recipe and the preset have it."""
    own = {name: schema.get("default") for name, schema in _schemas(recipe).items()}
    return own | (recipe.presets[preset] if preset else {})


def fill(recipe: RecipeOut, preset: str | None) -> None:
    """Put the values of a preset into the form."""
    for name, value in defaults(recipe, preset).items():
        st.session_state[_key(recipe, name)] = _shown(_schemas(recipe)[name], value)


def draw(recipe: RecipeOut) -> dict[str, Value]:
    """The fields; every option as it stands in them."""
    schemas = _schemas(recipe)
    first = [name for name in FIRST if name in schemas]
    rest = [name for name in schemas if name not in first]
    chosen = _fields(recipe, first)
    with st.expander(f"More options ({len(rest)})", key=f"options_{recipe.name}"):
        if about := recipe.parameters.get("description"):
            st.caption(plain(about))
        chosen |= _fields(recipe, rest)
    return chosen


def _fields(recipe: RecipeOut, names: list[str]) -> dict[str, Value]:
    chosen: dict[str, Value] = {}
    for start in range(0, len(names), _COLUMNS):
        columns = st.columns(_COLUMNS)
        for column, name in zip(columns, names[start : start + _COLUMNS], strict=False):
            with column:
                chosen[name] = _field(recipe, name)
    return chosen


def _field(recipe: RecipeOut, name: str) -> Value:
    schema = _schemas(recipe)[name]
    key, optional, kind = _key(recipe, name), _optional(schema), _kind(schema)
    st.session_state.setdefault(key, _shown(schema, schema.get("default")))
    label = _LABELS.get(name, name.replace("_", " ").capitalize())
    about = schema.get("description")
    if "enum" in kind:
        return str(st.selectbox(label, kind["enum"], key=key, help=about))
    if kind.get("type") == "boolean":
        return st.checkbox(label, key=key, help=about)
    if kind.get("type") == "integer":
        return _number(label, key, about, kind, 1, "%d", optional=optional)
    if kind.get("type") == "number":
        step = _step(schema.get("default"))
        return _number(label, key, about, kind, step, "%g", optional=optional)
    text = st.text_input(label, key=key, help=about, max_chars=500, placeholder=_none(optional))
    return None if optional and not text else text


def _number(
    label: str,
    key: str,
    about: str | None,
    kind: Mapping[str, Any],
    step: int | float,
    form: str,
    *,
    optional: bool,
) -> int | float | None:
    # A bound that is excluded is left to the server, which says it in a sentence.
    least = kind.get("minimum", kind.get("exclusiveMinimum"))
    most = min(kind.get("maximum", kind.get("exclusiveMaximum", _MOST)), _MOST)
    number = type(step)
    settings: dict[str, Any] = {
        "min_value": None if least is None else number(least),
        "max_value": number(most),
        "value": None if optional else "min",
        "step": step,
        "format": form,
    }
    found: int | float | None = st.number_input(
        label, key=key, help=about, placeholder=_none(optional), **settings
    )
    return found


def _step(default: Any) -> float:
    """A tenth of the size of the usual value: 0.00001 for 0.0001."""
    if not isinstance(default, int | float) or not default:
        return 0.1
    return float(10.0 ** (floor(log10(abs(default))) - (default <= 1)))


def _schemas(recipe: RecipeOut) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = recipe.parameters.get("properties", {})
    return found


def _optional(schema: Mapping[str, Any]) -> bool:
    return any(one.get("type") == "null" for one in schema.get("anyOf", ()))


def _kind(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema without its null."""
    real = (one for one in schema.get("anyOf", ()) if one.get("type") != "null")
    return next(real, schema)


def _shown(schema: Mapping[str, Any], value: Any) -> Any:
    """A value as its field holds it."""
    kind = _kind(schema)
    if kind.get("type") == "number" and value is not None:
        return float(value)
    if kind.get("type") == "string" and "enum" not in kind:
        return value or ""
    return value


def _none(optional: bool) -> str | None:
    return "none" if optional else None


def _key(recipe: RecipeOut, name: str) -> str:
    return f"option_{recipe.name}_{name}"
