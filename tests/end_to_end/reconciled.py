"""What the result of a reconciliation says."""

from __future__ import annotations

from typing import Any

from workers.reconciliation.ledger import KINDS


def found(result: dict[str, Any]) -> dict[str, int]:
    """How many of each kind of difference, and of lost bytes; empty where all is in line."""
    return {kind: result[kind] for kind in (*KINDS, "lost") if result.get(kind)}
