"""Manifests written as text in a test, read."""

from __future__ import annotations

from backend.catalogue.manifests import Manifest, parse_manifest


def parse(text: str, name: str = "p.csv") -> Manifest:
    return parse_manifest(text.encode(), name)


def refusals(manifest: Manifest) -> list[str]:
    return [row.sentence for row in manifest.refused]
