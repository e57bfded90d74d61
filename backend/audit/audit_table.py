"""The audit log as CSV, for spreadsheets and for archives elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from backend.audit.schemas import AuditFilter
from backend.audit.service import all_lines
from backend.database import Database
from backend.spreadsheet import BYTE_ORDER_MARK, csv_line

COLUMNS = (
    "time", "actor", "action", "subject_kind", "subject_id", "label", "before", "after",
    "request_id",
)  # fmt: skip


def audit_table(database: Database, wanted: AuditFilter) -> Iterator[str]:
    """The changes as lines of CSV, newest first; before and after are JSON."""
    yield BYTE_ORDER_MARK + csv_line(COLUMNS)
    for line in all_lines(database, wanted):
        what = (line.actor, line.action, line.subject_kind, line.subject_id, line.label)
        sides = (_json(line.before), _json(line.after))
        yield csv_line([line.at.isoformat(), *what, *sides, line.request_id or ""])


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) if values else ""
