"""The API keeps to its own description, whoever asks: schemathesis over every operation.

The quick run sends a few requests to each operation; the slow one adds the description's examples,
every boundary that its schemas name, and walks from operation to operation. Each tells how much it
sent (`-s`):

    pytest tests/backend/test_openapi_by_role.py -m "slow or not slow" -s
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backend.by_role import BEYOND_SCHEMA, BEYOND_WIRE, NOT_ASKED, Outcome, run_as
from tests.backend.stocked_site import Site, stocked_site

WHO = ("nobody", "shopper", "manager", "admin")
EXAMPLES = int(os.environ.get("AKIN_TEST_SCHEMA_EXAMPLES", "200"))
"""Requests that the slow run makes up for each operation, beside those that a schema names."""
_SETTLED = {"deterministic": True, "no-shrink": True, "database": "none"}


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with stocked_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    with stocked_site(tmp_path) as site:
        yield site


def told(role: str, outcome: Outcome) -> None:
    statuses = ", ".join(
        f"{count} × {status}" for status, count in sorted(outcome.statuses.items())
    )
    print(f"\n{role}: {len(outcome.operations)} operations, {outcome.cases} cases: {statuses}")  # noqa: T201


def clean(site: Site, role: str, outcome: Outcome) -> None:
    """Nothing was found, and every operation was asked."""
    told(role, outcome)
    described = {
        f"{method.upper()} {path}"
        for path, methods in site.app.openapi()["paths"].items()
        for method in methods
    }
    assert outcome.failures == {}, outcome.told()
    assert outcome.operations == described - set(NOT_ASKED)


@pytest.mark.parametrize(
    "role", ["nobody", *(pytest.param(one, marks=pytest.mark.long) for one in WHO[1:])]
)
def test_a_few_requests_of_each_kind_are_answered_as_described(
    shared_site: Site, role: str
) -> None:
    phases = {"fuzzing": {"enabled": True}}
    for other in ("examples", "coverage", "stateful"):
        phases[other] = {"enabled": False}
    outcome = run_as(shared_site, role, phases=phases, generation=_SETTLED | {"max-examples": 1})
    clean(shared_site, role, outcome)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("role", WHO)
def test_many_requests_and_walks_through_the_api_are_answered_as_described(
    own_site: Site, role: str
) -> None:
    outcome = run_as(own_site, role, generation=_SETTLED | {"max-examples": EXAMPLES})
    clean(own_site, role, outcome)


def test_what_is_left_out_is_there(shared_site: Site) -> None:
    """An exception for an operation that is gone would hide nothing but mislead."""
    paths = shared_site.app.openapi()["paths"]
    named = {*NOT_ASKED, *BEYOND_WIRE, *(one for many in BEYOND_SCHEMA.values() for one in many)}
    for operation in named:
        method, path = operation.split()
        assert method.lower() in paths[path], operation
