"""What `akin dataset spn-positives` and `akin dataset accept` do.

Light to import: torch is loaded when triplets are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backend.commands.positives import PositivesWanted, Step


def make_here(wanted: PositivesWanted, step: Step) -> dict[str, Any]:
    """The summary of a run, with a sentence; raises as `spn_positives` and `given` do."""
    from workers.captioning.caption_cache import default_path
    from workers.recipes.positives.schema import PositivesParams
    from workers.recipes.spn_positives import Surroundings, spn_positives
    from workers.trainer.features import FeatureCache, default_root

    params = PositivesParams.given(wanted.options)
    own = wanted.cache
    around = Surroundings(
        features=FeatureCache(own / "features" if own else default_root()),
        captions=own / "captions.jsonl" if own else default_path(),
        report=step,
        device=wanted.device,
    )
    summary = spn_positives(wanted.data, params, wanted.out, around)
    return {"sentence": summary.sentence(), **asdict(summary)}


def describe_options() -> str:
    """The options with their defaults, a line each."""
    from workers.recipes.positives.schema import PositivesParams

    fields = PositivesParams.model_fields.items()
    return "\n".join(f"{name}={facts.default}  {facts.description or ''}" for name, facts in fields)


def accept_here(folder: Path, name: str, exports: Sequence[Path]) -> int:
    """`workers.recipes.spn_positives.accept`, imported when it is called."""
    from workers.recipes.spn_positives import accept

    return accept(folder, name, exports)
