"""Every part of an installation, looked at one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backend import outages
from backend.diagnosis import machine, people, stores
from backend.diagnosis.finding import Check, Doubtful, Finding
from backend.errors import AkinError
from backend.masking import masked
from backend.settings import Settings

_EMBEDDED: Mapping[str, Check] = {"data": stores.data}
_SERVICES: Mapping[str, Check] = {
    "database": stores.database,
    "clock": stores.clock,
    "gallery": stores.gallery,
    "blobs": stores.blobs,
    "queue": stores.queue,
}


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at every part, one finding each; one that cannot be looked at says so."""
    checks: dict[str, Check] = {
        "python": machine.python,
        "torch": machine.torch,
        "settings": machine.settings,
        "disk": machine.disk,
        "server": machine.server,
        "ui": machine.ui,
        **(_EMBEDDED if settings.embedded else _SERVICES),
        "accounts": people.accounts,
        "backbone": machine.backbone,
    }
    for part, check in checks.items():
        try:
            told = check(settings)
        except Exception as error:  # a database that fails amid its check ends only that
            failure = error if isinstance(error, AkinError) else outages.told(error)
            if failure is None:
                raise
            yield Finding(part, good=False, sentence=failure.sentence)
        else:
            doubtful = isinstance(told, Doubtful)
            yield Finding(part, good=True, sentence=masked(told), doubtful=doubtful)
