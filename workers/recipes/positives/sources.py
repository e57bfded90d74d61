"""Where the captions come from, by the settings of a run."""

from __future__ import annotations

from pathlib import Path

from backend.errors import InvalidInput
from workers.captioning.caption_cache import CaptionCache
from workers.captioning.captions import Captioner, CaptionFile
from workers.captioning.endpoint import EndpointCaptioner
from workers.captioning.endpoint_settings import read_endpoint_settings
from workers.captioning.metadata import MANIFESTS, MetadataCaptioner, manifest_in
from workers.recipes.positives.material import Material
from workers.recipes.positives.schema import PositivesParams


def captioner_of(
    params: PositivesParams, folder: Path, caption_cache: Path, device: str = "auto"
) -> Captioner:
    """The source of captions that the settings name, for the pictures of the dataset `folder`.

    caption_cache: where an endpoint's answers are kept. Raises InvalidInput or SetupError where
    something that the source needs is not set, not there or damaged.
    """
    if params.captions == "metadata":
        return MetadataCaptioner(params.manifest or manifest_in(folder), params.caption_template)
    if params.captions == "file":
        return CaptionFile(_given(params.caption_file, "caption_file"))
    if params.captions == "coca":
        from workers.captioning.coca import load_coca  # not every source needs torch

        return load_coca(params.coca, params.coca_weights, device, params.coca_batch)
    return EndpointCaptioner(
        read_endpoint_settings(
            url=params.endpoint_url,
            model=params.endpoint_model,
            max_requests=params.endpoint_requests,
            max_tokens=params.endpoint_tokens,
            concurrency=params.endpoint_concurrency,
        ),
        CaptionCache(caption_cache),
        params.words,
    )


def _given(path: Path | None, name: str) -> Path:
    if path is None:
        raise InvalidInput(f"The captions are to come from a file: set {name} to it.")
    return path


def categories_of(params: PositivesParams, folder: Path, material: Material) -> dict[str, str]:
    """What each picture shows, for prompts: by its triplets, else by the product table if any."""
    manifest = params.manifest or next(
        (folder / name for name in MANIFESTS if (folder / name).is_file()), None
    )
    told = MetadataCaptioner(manifest).categories(material.pictures) if manifest else {}
    return {**told, **material.categories}
