"""The name of a backbone, as settings and artefacts hold it."""

from __future__ import annotations

from dataclasses import dataclass

from backend.encoding.preprocessing import PreprocessingKind

DEMO = "akin-demo"
HUB, FOLDER = "hf-hub:", "local-dir:"
"""What the names of backbones from a model hub and from a folder begin with."""


@dataclass(frozen=True)
class BackboneSpec:
    """Which backbone: `akin-demo`, an open_clip architecture, `hf-hub:org/name` or
    `local-dir:path`.

    pretrained: a pretrained tag of the architecture, or the path of a weights file.
    """

    name: str = DEMO
    pretrained: str | None = None
    preprocessing: PreprocessingKind = "clip"


def plain_name(name: str) -> str:
    """An architecture's name as open_clip lists it; hub and folder names as they are."""
    return name if name.startswith((HUB, FOLDER)) else name.replace("/", "-")
