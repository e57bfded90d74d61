"""How galleries are laid out: what the settings ask of a vector store beyond its points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

QUANTILE = 0.99  # a byte spans this part of the numbers; those beyond it get its ends
QuantizationKind = Literal["none", "scalar", "binary"]


@dataclass(frozen=True, slots=True)
class Quantization:
    """Short codes of the vectors beside them: one byte a number, or one bit.

    A search walks the codes. With `rescore` the best `oversampling` times as many as were asked
    for are compared again by their vectors, so that scores are cosines; without, scores are
    estimates.
    """

    kind: QuantizationKind | None = None
    """None leaves a server's collections as they are, and gives those of Edge no codes."""
    rescore: bool = True
    oversampling: float = 1.0


@dataclass(frozen=True, slots=True)
class ServerLayout:
    """What only a Qdrant server or cluster has; None leaves the server's own default."""

    shards: int | None = None
    replicas: int | None = None
    write_consistency: int | None = None
    vectors_on_disk: bool | None = None
    payload_on_disk: bool | None = None
    hnsw_m: int | None = None
    hnsw_ef_construct: int | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Of all galleries of an installation. `hnsw_ef`: candidates a walk of the graph keeps."""

    quantization: Quantization = field(default_factory=Quantization)
    hnsw_ef: int | None = None
    server: ServerLayout = field(default_factory=ServerLayout)


@dataclass(frozen=True, slots=True)
class Access:
    """How a Qdrant server is reached; `timeout` in seconds."""

    api_key: str | None = None
    ca_file: str | None = None
    timeout: int = 30


@dataclass(frozen=True, slots=True)
class Laid:
    """How one gallery is laid out today; `differs` says what a setting asks for in vain."""

    quantization: QuantizationKind
    shards: int | None = None
    """None of a gallery in one folder, which has neither shards nor replicas."""
    replicas: int = 1
    vectors_on_disk: bool = False
    in_graph: int = 0
    """How many vectors the search graph holds; the others are searched one by one."""
    differs: str | None = None

    @property
    def sentence(self) -> str:
        """One line, for people."""
        spread = [_counted(self.shards or 1, "shard"), _counted(self.replicas, "replica")]
        parts = [
            *(["one folder"] if self.shards is None else spread),
            f"vectors {'on disk' if self.vectors_on_disk else 'in memory'}",
            _CODES[self.quantization],
            f"{self.in_graph:,} in the search graph",
        ]
        return ", ".join(parts) + (f"; {self.differs}" if self.differs else "")


_CODES: dict[QuantizationKind, str] = {
    "none": "not quantized",
    "scalar": "quantized to a byte a number",
    "binary": "quantized to a bit a number",
}


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
