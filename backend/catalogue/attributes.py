"""Product attributes (DESIGN, Decision 7): keys are slugs, values are typed at first sight.

The first 32 attributes can be filtered by; the rest are shown only. The kind an attribute has once
never changes, because every gallery has its index for that kind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import cast

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.schemas import AttributeKind, AttributeValue
from backend.catalogue.tables import Attribute
from backend.catalogue.unicode_forms import composed, normalised
from backend.errors import InvalidInput
from backend.gallery.filters import BUILT_IN_KEYS

MAX_FILTERABLE = 32
MAX_SLUG = 64
MAX_LABEL = 100
MAX_VALUE = 5000
RESERVED = frozenset(
    {"sku", "title", "category", "split", "price", "currency", "image", "images", "product"}
)

_TRUE, _FALSE = frozenset({"true", "yes"}), frozenset({"false", "no"})
# 007 and 12E4 are codes and not numbers, so a leading zero or an exponent makes a keyword.
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?(?:0|[1-9][0-9]*)?\.[0-9]+")
# NUL, and the half characters (surrogates) that JSON can carry but UTF-8 cannot.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_INTEGER_LENGTH = 17
_LARGEST_INTEGER = 2**53  # whole numbers up to here are exact in every part of Akin
_TAKES: dict[str, str] = {
    "bool": "true or false",
    "integer": "whole numbers up to 2^53",
    "float": "numbers",
    "keyword": "text",
}


def slugify(label: str) -> str:
    """The key of an attribute: `Sleeve length` becomes `sleeve_length`.

    Raises:
        InvalidInput: if nothing is left, the key is too long, or it is the name of a field.
    """
    folded = normalised("NFKD", label.casefold()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "_", folded).strip("_")
    if not slug:
        raise InvalidInput(
            f"Attribute '{_short(label)}' has no Latin letter or digit to make a key of: rename it."
        )
    if len(slug) > MAX_SLUG:
        raise InvalidInput(
            f"The attribute name '{_short(label)}' is too long: {MAX_SLUG} characters at most."
        )
    if slug in RESERVED:
        raise InvalidInput(
            f"'{_short(label)}' is a field of every product: give the attribute another name."
        )
    return slug


KnownKinds = dict[str, AttributeKind]
"""Kinds by slug that were read before in the same transaction; they never change."""


def register_attributes(
    session: Session, attributes: Mapping[str, AttributeValue], known: KnownKinds | None = None
) -> dict[str, AttributeValue]:
    """The values by slug, each in its attribute's kind; attributes seen first are written down.

    known: where kinds are looked for first, and kept.

    Raises:
        InvalidInput: for a key `slugify` refuses, two keys of one slug, or a value that cannot be
            converted to its attribute's kind; then nothing is written down.
    """
    labels = _by_slug(attributes)
    kinds = {} if known is None else known
    if labels.keys() - kinds.keys():
        kinds |= _kinds_of(session, labels.keys() - kinds.keys())
    unseen = {
        slug: kind_of(attributes[label]) for slug, label in labels.items() if slug not in kinds
    }
    typed = _typed(attributes, labels, {**kinds, **unseen})
    if not unseen or _declare(session, {labels[slug]: kind for slug, kind in unseen.items()}):
        return typed
    return _typed(attributes, labels, _kinds_of(session, labels))


def filterable_attributes(session: Session) -> dict[str, AttributeKind]:
    """What galleries index under `attributes.`: the filterable attributes by slug, and price."""
    filterable = select(Attribute).where(Attribute.filterable).order_by(Attribute.created_at)
    return {"price": "float", **_kinds(session, filterable)}


def known_keys(session: Session) -> dict[str, AttributeKind]:
    """Every key a filter may name, with its kind."""
    return {**dict.fromkeys(BUILT_IN_KEYS, "keyword"), **filterable_attributes(session)}


def kind_of(value: AttributeValue) -> AttributeKind:
    """The kind of a value seen first; text is read as a CSV cell would be ('12' is an integer)."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, float):
        return "float"
    text_form = str(value).strip()
    if text_form.lower() in _TRUE | _FALSE:
        return "bool"
    if _INTEGER.fullmatch(text_form):
        short = len(text_form) <= _INTEGER_LENGTH  # Python refuses to read very long ones
        return "integer" if short and abs(int(text_form)) <= _LARGEST_INTEGER else "keyword"
    return "float" if _FLOAT.fullmatch(text_form) and _number(text_form) is not None else "keyword"


def convert(label: str, value: AttributeValue, kind: AttributeKind) -> AttributeValue:
    """`value` in `kind`; raises InvalidInput naming the attribute, the value and the kind."""
    text_form = composed(str(value)).strip()
    if not text_form or len(text_form) > MAX_VALUE or _UNSTORABLE.search(text_form):
        shown = ascii(text_form[:40])
        raise InvalidInput(
            f"Attribute '{_short(label)}' takes 1 to {MAX_VALUE} characters without NUL or half "
            f"characters, not {shown} ({len(text_form)}): shorten it or leave it away."
        )
    converted = _converted(value, text_form, kind)
    if converted is None:
        raise InvalidInput(
            f"Attribute '{_short(label)}' takes {_TAKES[kind]} since its first value was {kind}, "
            f"not '{_short(text_form)}': correct the value or give the attribute another name."
        )
    return converted


def _converted(value: AttributeValue, text_form: str, kind: AttributeKind) -> AttributeValue | None:
    if kind == "keyword":
        return text_form.lower() if isinstance(value, bool) else text_form
    if kind == "bool":
        return _boolean(text_form.lower())
    number = None if isinstance(value, bool) else _number(text_form)
    if number is None or kind == "float":
        return number
    whole = number.is_integer() and abs(number) <= _LARGEST_INTEGER
    return int(number) if whole else None


def _boolean(text_form: str) -> bool | None:
    if text_form in _TRUE | {"1"}:
        return True
    return False if text_form in _FALSE | {"0"} else None


def _number(text_form: str) -> float | None:
    """`text_form` as a finite number, else None ('1_000', 'nan' and 'inf' are words here)."""
    if not re.fullmatch(r"[0-9.eE+-]+", text_form):
        return None
    try:
        number = float(text_form)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _by_slug(attributes: Mapping[str, AttributeValue]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for label in attributes:
        slug = slugify(label)
        if slug in labels:
            raise InvalidInput(
                f"The attributes '{_short(labels[slug])}' and '{_short(label)}' have the same key "
                f"'{slug}': rename one."
            )
        labels[slug] = label
    return labels


def _typed(
    attributes: Mapping[str, AttributeValue],
    labels: Mapping[str, str],
    kinds: Mapping[str, AttributeKind],
) -> dict[str, AttributeValue]:
    return {slug: convert(label, attributes[label], kinds[slug]) for slug, label in labels.items()}


def _kinds_of(session: Session, slugs: Iterable[str]) -> dict[str, AttributeKind]:
    return _kinds(session, select(Attribute).where(Attribute.slug.in_(list(slugs))))


def _kinds(session: Session, attributes: Select[Attribute]) -> dict[str, AttributeKind]:
    rows = session.execute(attributes.with_only_columns(Attribute.slug, Attribute.kind))
    return {row.slug: cast(AttributeKind, row.kind) for row in rows}


def _declare(session: Session, unseen: Mapping[str, AttributeKind]) -> bool:
    """Write attributes down by label; False where another transaction was first with one."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        session.execute(text("LOCK TABLE attributes IN SHARE ROW EXCLUSIVE MODE"))
    slugs = {slugify(label): label for label in unseen}
    taken = _kinds_of(session, slugs)
    free = MAX_FILTERABLE - (session.scalar(select(func.count()).where(Attribute.filterable)) or 0)
    for position, slug in enumerate(slug for slug in slugs if slug not in taken):
        session.add(
            Attribute(
                slug=slug,
                label=_shown(slugs[slug], slug),
                kind=unseen[slugs[slug]],
                filterable=position < free,
                created_at=clock.now(),
            )
        )
    session.flush()
    return not taken


def _short(words: str) -> str:
    return words[:MAX_LABEL]


def _shown(label: str, slug: str) -> str:
    """`sleeve_length` is a key, not a label: show it as `Sleeve length`."""
    given = label.strip()
    return slug.replace("_", " ").capitalize() if given == slug else given[:MAX_LABEL]
