"""The filters of a request's address, as lists, facets and exports take them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import StringConstraints

Filters = Annotated[
    list[Annotated[str, StringConstraints(max_length=2000)]],
    Query(
        max_length=50,
        description="Conditions that must all hold: `key=value`, `key=one,other`, `key!=value`, "
        "`key>=10`, `key=10..20`.",
        examples=[["category=dress", "price=10..40"]],
    ),
]
