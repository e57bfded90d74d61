"""The settings of galleries: where they are, how a Qdrant server is reached, how they are laid out.

They are a part of `backend.settings.Settings`, apart only for its length.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from backend.errors import SetupError
from backend.gallery.layout import Access, Layout, Quantization, QuantizationKind, ServerLayout


class GallerySettings(BaseSettings):
    """None leaves the Qdrant server's own default."""

    gallery_url: str = "edge"
    gallery_api_key: SecretStr | None = None
    gallery_ca_file: Path | None = None
    """The certificate authority of a Qdrant server behind https, where the system's do not do."""
    gallery_timeout: int = Field(30, ge=1, le=600)
    """Seconds until a call to a Qdrant server is given up."""

    gallery_quantization: QuantizationKind | None = None
    gallery_rescore: bool = True
    """Whether what the codes find is compared again by the vectors themselves."""
    gallery_oversampling: float = Field(4.0, ge=1, le=16)
    """How many times as many as are asked for are compared again."""
    gallery_hnsw_ef: int | None = Field(None, ge=1, le=4096)
    """How many candidates a walk of the search graph keeps: more finds more, and takes longer."""

    gallery_hnsw_m: int | None = Field(None, ge=4, le=128)
    gallery_hnsw_ef_construct: int | None = Field(None, ge=4, le=4096)
    gallery_shards: int | None = Field(None, ge=1, le=1024)
    gallery_replicas: int | None = Field(None, ge=1, le=64)
    gallery_write_consistency: int | None = Field(None, ge=1, le=64)
    """How many replicas must have a write before it counts as done."""
    gallery_vectors_on_disk: bool | None = None
    gallery_payload_on_disk: bool | None = None
    gallery_strict: bool | None = None
    """Bound what any client of the server can ask of Akin's collections (Qdrant's strict mode)."""

    @property
    def gallery_layout(self) -> Layout:
        """How galleries are to be laid out."""
        server = ServerLayout(
            shards=self.gallery_shards,
            replicas=self.gallery_replicas,
            write_consistency=self.gallery_write_consistency,
            vectors_on_disk=self.gallery_vectors_on_disk,
            payload_on_disk=self.gallery_payload_on_disk,
            hnsw_m=self.gallery_hnsw_m,
            hnsw_ef_construct=self.gallery_hnsw_ef_construct,
            strict=self.gallery_strict,
        )
        codes = Quantization(
            self.gallery_quantization, self.gallery_rescore, self.gallery_oversampling
        )
        return Layout(codes, self.gallery_hnsw_ef, server)

    @property
    def gallery_access(self) -> Access:
        """How a Qdrant server is reached."""
        key = self.gallery_api_key
        return Access(
            api_key=key.get_secret_value() if key else None,
            ca_file=str(self.gallery_ca_file) if self.gallery_ca_file else None,
            timeout=self.gallery_timeout,
        )

    def check_galleries(self) -> None:
        """Raises `SetupError` for settings that contradict each other."""
        self._check_local()
        replicas, consistency = self.gallery_replicas, self.gallery_write_consistency or 1
        # Not set, there are as many as the server makes by itself, which only it knows.
        if replicas is not None and consistency > replicas:
            raise SetupError(
                f"AKIN_GALLERY_WRITE_CONSISTENCY is {consistency}, but there are only {replicas} "
                "replicas to write to, so no write would ever be done: lower it, or raise "
                "AKIN_GALLERY_REPLICAS."
            )
        if self.gallery_ca_file is None:
            return
        if not self.gallery_url.startswith("https://"):
            raise SetupError(
                "AKIN_GALLERY_CA_FILE is for a Qdrant server behind https, and AKIN_GALLERY_URL "
                f"is {self.gallery_url}: unset the one or change the other."
            )
        if not self.gallery_ca_file.is_file():
            raise SetupError(
                f"There is no file {self.gallery_ca_file}: correct AKIN_GALLERY_CA_FILE."
            )

    def _check_local(self) -> None:
        if self.gallery_url == ":memory:" and self.gallery_quantization not in {None, "none"}:
            raise SetupError(
                "AKIN_GALLERY_QUANTIZATION has no effect where AKIN_GALLERY_URL is :memory:, which "
                "always searches exactly: unset it, or set AKIN_GALLERY_URL to edge or a server's."
            )
        if self.gallery_url not in {"edge", ":memory:"}:
            return
        for name in _SERVER_ONLY:
            if getattr(self, name):
                raise SetupError(
                    f"AKIN_{name.upper()} is a matter of a Qdrant server, and AKIN_GALLERY_URL is "
                    f"{self.gallery_url}: unset it, or set AKIN_GALLERY_URL to a server's."
                )


_SERVER_ONLY = (
    "gallery_hnsw_m",
    "gallery_hnsw_ef_construct",
    "gallery_shards",
    "gallery_replicas",
    "gallery_write_consistency",
    "gallery_vectors_on_disk",
    "gallery_payload_on_disk",
    "gallery_strict",
    "gallery_ca_file",
)
