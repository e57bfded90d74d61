"""The audit log in words: who did what, and what was before and is since."""

from __future__ import annotations

import re
from typing import Any

from backend.audit.schemas import AuditLineOut

_DONE = {
    "product.create": "created",
    "product.update": "changed",
    "product.delete": "deleted",
    "products.bulk_edit": "changed",
    "products.bulk_delete": "deleted",
    "image.add": "added a picture to",
    "image.remove": "took a picture off",
    "image.restore": "restored a picture of",
    "import.start": "started",
    "import.end": "ended",
    "reconcile.start": "started",
    "reconcile.end": "ended",
    "job.cancel": "cancelled",
    "job.retry": "retried",
    "gallery.drop": "dropped",
    "model.start": "started with",
    "model.import": "imported",
    "model.train": "began to train",
    "model.ready": "finished training",
    "model.fail": "failed to train",
    "model.measure": "measured",
    "model.resume": "went on training",
    "model.promote": "promoted",
    "model.rollback": "rolled back to",
    "model.promotion_ask": "asked to promote",
    "model.promotion_withdraw": "withdrew the promotion of",
    "model.promotion_refuse": "refused to promote",
    "model.rename": "renamed",
    "model.archive": "archived",
    "model.restore": "restored",
    "model.delete": "deleted",
    "import.fetch": "fetched pictures from the web for",
    "backup.take": "took a backup of",
    "user.create": "added",
    "user.update": "changed",
    "key.create": "made the key",
    "key.revoke": "revoked the key",
    "triplet.edit": "corrected",
    "triplet.review": "reviewed",
    "triplets.review": "reviewed",
    "triplets.import": "imported triplets of",
}
_JOBS = {
    "ingest": "import",
    "reconcile": "comparison",
    "embed": "embedding",
    "reembed": "embedding anew",
    "train": "training",
    "evaluate": "measuring",
    "compare": "comparison of models",
}
_MORE = "…"
_HASH = re.compile(r"[0-9a-f]{64}")


def done(line: AuditLineOut) -> str:
    """What was done: `changed`; an action that has no words here stands as it is."""
    return _DONE.get(line.action, line.action)


def subject(line: AuditLineOut) -> str:
    """To what it was done: `product TEE-1`, `many products`."""
    if line.subject_kind == "job":
        return f"{_JOBS.get(line.label, line.label)} {line.subject_id[:8]}"
    many = line.subject_id == ""
    return line.label if many else f"{line.subject_kind} {line.label}"


def changes(line: AuditLineOut) -> list[tuple[str, str | None, str | None]]:
    """Every field that changed with what was before and is after; None where it was not, or is not,
    there."""
    names = dict.fromkeys([*line.before, *line.after])
    return [
        (
            "more" if name == _MORE else name.removeprefix("attributes.").replace("_", " "),
            value(line.before[name]) if name in line.before else None,
            value(line.after[name]) if name in line.after else None,
        )
        for name in names
    ]


def value(given: Any) -> str:
    """A value as people read it: `yes`, `nothing`, `A, B`, `train 29, test 2`."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    if given is None:
        return "nothing"
    if isinstance(given, list):
        return ", ".join(map(value, given))
    if isinstance(given, dict):
        return ", ".join(f"{name} {value(one)}" for name, one in given.items())
    return _HASH.sub(_shortened, str(given))


def _shortened(hash_: re.Match[str]) -> str:
    return f"{hash_[0][:12]}…"
