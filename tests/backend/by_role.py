"""Schemathesis over the API's own description, asked as one role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.transport.serialization import Binary, serialize_binary

from tests.backend.search.shop import picture
from tests.backend.stocked_site import Site

PATHS = {
    "product_id": "product",
    "image_id": "image",
    "sha256": "sha256",
    "job_id": "job",
    "version_id": "version",
    "triplet_id": "triplet",
    "key_id": "key",
}
BODIES = {
    "image_id": "image",
    "reference_image_id": "image",
    "reference_sku": "sku",
    "query.reference_sku": "sku",
    "search_id": "search",
    "product_ids[*]": "product",
    "ids[*]": "triplet",
    "versions[*]": "version",
    "a": "version",
    "b": "version",
    "parent": "version",
}
REAL = 0.6
"""How often a parameter names something that is there, where it can."""

NOT_ASKED = {
    "POST /v1/logout": "would end the login that the run asks with; tests/backend/accounts has it",
}
BEYOND_SCHEMA = {
    "a cursor is taken by the list that gave it out only": [
        "GET /v1/audit",
        "GET /v1/deployments",
        "GET /v1/imports/{job_id}/products",
        "GET /v1/jobs",
        "GET /v1/jobs/{job_id}/items",
        "GET /v1/keys",
        "GET /v1/models",
        "GET /v1/products",
        "GET /v1/triplets",
        "GET /v1/users",
    ],
    "filters are a small language, over the attributes that there are": [
        "GET /v1/catalogue/export",
        "GET /v1/catalogue/export.jsonl",
        "GET /v1/catalogue/export.zip",
        "GET /v1/facets",
    ],
    "bytes have to be a picture, a manifest, a list of triplets or a model": [
        "POST /v1/feedback/upload",
        "POST /v1/imports/preview",
        "POST /v1/models/compare/search/upload",
        "POST /v1/pictures/thumbnail",
        "POST /v1/products/{product_id}/images",
        "POST /v1/search/upload",
        "POST /v1/triplets/import",
        "PUT /v1/imports/{job_id}/files/{sha256}",
        "PUT /v1/models/import",
    ],
    "names have to be of what is there, and to fit each other": [
        "POST /v1/feedback",
        "POST /v1/imports/preview/pictures",
        "POST /v1/imports/{job_id}/files",
        "POST /v1/links",
        "POST /v1/models/compare",
        "POST /v1/models/compare/search",
        "POST /v1/search",
        "POST /v1/train",
    ],
    "a price needs a currency, an attribute a value of its kind, an override a reason": [
        "PATCH /v1/products/{product_id}",
        "POST /v1/models/{version_id}/promote",
        "POST /v1/products",
        "POST /v1/products/bulk",
    ],
}
"""Why a request that fits the schemas may still be refused with 422, and where. There the check
positive_data_acceptance is off."""
BEYOND_WIRE = ["POST /v1/imports/preview"]
"""A form has texts and files only: an object or null that is made up as wrong for `manifest` or
`request` arrives as a text that is right. There the check negative_data_rejection is off. All other
checks are on everywhere."""


@dataclass
class Outcome:
    """What a run found."""

    operations: set[str] = field(default_factory=set)
    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    """By check, operation and title: for each time what was said, and how to repeat it."""

    def told(self) -> str:
        """All failures, one example of each."""
        return "\n\n".join(
            f"{len(found)} × {check}: {operation}: {title}\n{found[0]}"
            for (check, operation, title), found in sorted(self.failures.items())
        )


FILES = {"image": picture("red"), "manifest": b"sku,title\nHAT,Hat\n", "file": b"[]"}


def _with_real_files(_context: schemathesis.HookContext, body: Any) -> Any:
    """Some of what is sent as a picture, a manifest or a list of triplets is one."""
    for name in FILES.keys() & body if isinstance(body, dict) else ():
        given = body[name]
        if isinstance(given, bytes | Binary) and len(serialize_binary(given)) % 2:
            body[name] = Binary(FILES[name])
    return body


@schemathesis.serializer("application/zip")
def _as_it_is(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    return serialize_binary(value)


def run_as(site: Site, role: str, **options: Any) -> Outcome:
    """Ask as a role, or as nobody. `options` are schemathesis' own (`phases`, `generation`)."""
    config = SchemathesisConfig.from_dict(configuration(site, role) | options)
    schema = schemathesis.openapi.from_asgi("/openapi.json", site.app, config=config)
    schema.hook("map_body")(_with_real_files)
    outcome = Outcome()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            outcome.failures.setdefault(("error", event.label, ""), []).append(str(event.value))
        if isinstance(event, events.ScenarioFinished):
            _count(outcome, event)
    return outcome


def configuration(site: Site, role: str) -> dict[str, Any]:
    """Schemathesis' configuration for a role."""
    token = site.tokens.get(role)  # type: ignore[call-overload]
    bound = [(f"path.{name}", kind) for name, kind in PATHS.items()]
    bound += [(f"body.{name}", kind) for name, kind in BODIES.items()]
    bound += [("query.cursor", "cursor"), ("query.sku", "sku")]
    return {
        "seed": 1,
        "continue-on-failure": True,
        "headers": {} if token is None else {"Authorization": f"Bearer {token}"},
        "dictionaries": {kind: {"values": values} for kind, values in site.there.items()},
        "parameters": {name: {"dictionary": kind, "probability": REAL} for name, kind in bound},
        "operations": [
            *({"include-name": name, "enabled": False} for name in NOT_ASKED),
            *(
                {"include-name": names, "checks": {"positive_data_acceptance": {"enabled": False}}}
                for names in BEYOND_SCHEMA.values()
            ),
            {
                "include-name": BEYOND_WIRE,
                "checks": {"negative_data_rejection": {"enabled": False}},
            },
            # Whom a run disables or demotes must not be whom it asks as.
            {"include-name": "PATCH /v1/users/{name}", "parameters": {"path.name": "tom"}},
        ],
    }


def _count(outcome: Outcome, event: events.ScenarioFinished) -> None:
    recorder = event.recorder
    outcome.operations |= {node.value.operation.label for node in recorder.cases.values()}
    outcome.cases += len(recorder.cases)
    for interaction in recorder.interactions.values():
        if interaction.response is not None:
            outcome.statuses[interaction.response.status_code] += 1
    for key, said in _failures(recorder, event.label):
        outcome.failures.setdefault(key, []).append(said)


def _failures(recorder: Any, label: str | None) -> Iterator[tuple[tuple[str, str, str], str]]:
    for checks in recorder.checks.values():
        for check in checks:
            info = check.failure_info
            if info is not None:
                failure = info.failure
                key = (check.name, failure.operation or label or "", failure.title)
                yield key, f"{failure.message}\n{info.code_sample}"
