"""The name of a backbone, as settings and artefacts hold it."""

from __future__ import annotations

from dataclasses import dataclass

from backend.encoding.preprocessing import PreprocessingKind

DEMO = "akin-demo"


@dataclass(frozen=True)
class BackboneSpec:
    """Which backbone: `akin-demo`, an open_clip architecture, `hf-hub:org/name` or
    `local-dir:path`.

    pretrained: a pretrained tag of the architecture, or the path of a weights file.
    """

    name: str = DEMO
    pretrained: str | None = None
    preprocessing: PreprocessingKind = "clip"
