"""A query is asked: reference and words in, products out, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from sqlalchemy.orm import Session

from backend.catalogue.facets import facets
from backend.catalogue.listing import read_filter
from backend.catalogue.presenting import products_by_ids
from backend.catalogue.schemas import Facet
from backend.composition.artefact import load_composer, shipped_models
from backend.composition.composer import COMPOSERS, Composer, QueryFeatures, composer_named
from backend.composition.explanation import FeatureMeans, explain
from backend.composition.query import answering, compose_queries
from backend.composition.sphere import Vectors
from backend.gallery.port import SCORE_DECIMALS
from backend.metrics import SEARCH_STAGE_SECONDS
from backend.registry.deployments import Active
from backend.registry.loading import LoadedVersion
from backend.runtime import Runtime
from backend.search.encoder import Pixels, QueryEncoder
from backend.search.finding import grouped, nearest
from backend.search.presenting import hits, product_ids, shown
from backend.search.reference import (
    KeptReference,
    check_request,
    excluded_products,
    find_reference,
    not_yet_embedded,
)
from backend.search.schemas import SearchRequest, SearchResponse, Share
from backend.search.windows import Asked, Group, Window, Windows
from backend.search.words import read_words
from backend.stopwatch import Stopwatch


class SearchService:
    """Answers composed queries; one a process, safe to use from any number of threads.

    It answers with the version it was made with, and with that version's own gallery (Decision 1).
    """

    def __init__(self, runtime: Runtime, model: LoadedVersion, active: Active) -> None:
        """Raises NotFound if the store has no such gallery; InvalidInput for damaged weights."""
        backbone = model.backbone
        self.active = active
        self.model = model
        self._runtime = runtime
        self._backbone = backbone
        self._gallery = runtime.galleries.open(active.gallery_id)
        self._encoder = QueryEncoder(
            backbone,
            window_ms=runtime.settings.query_window_ms,
            max_batch=runtime.settings.query_batch,
        )
        self._composers = _composers(model, self._encoder, active.composer)
        self.windows = Windows()
        image_mean, self._text_mean = model.means
        self._means = _both(image_mean, self._text_mean)

    def warm_up(self) -> None:
        """Encode a picture and a sentence once, so that the first shopper does not wait for it."""
        side = self._backbone.image_size
        self._encoder.encode_image(np.full((3, side, side), 127, np.uint8), "warm-up")
        self._encoder.encode_text("warm-up")
        self._runtime.query_decoder.warm_up()

    def close(self) -> None:
        """Stop the encoder; later searches raise Unavailable."""
        self._encoder.close()

    def search(
        self,
        request: SearchRequest,
        *,
        image: bytes | None = None,
        name: str = "the picture",
        watch: Stopwatch | None = None,
    ) -> SearchResponse:
        """The products that match the request best; `image` holds the bytes of an uploaded
        reference, called `name` in what is told about it; `watch` runs since it was asked.

        With a search id, a page of that earlier search: nothing is encoded or searched again, and
        what the request says of the query itself is not looked at.

        Raises:
            InvalidInput: for an empty query, two references, a filter that cannot be read, words
                that cancel the query, or an unknown composer.
            NotFound: if the reference or the search id is not there.
            Conflict: if the reference is not embedded.
            UnsupportedImage, TooLarge: for bytes that are no picture or over the limits.
        """
        watch = watch or Stopwatch()
        search_id = request.search_id
        if search_id is None:
            window = self._find(request, image, name, watch)
            search_id = self.windows.keep(window)
        else:
            window = self.windows.get(search_id)
        return self._answer(search_id, window, request, watch)

    def window(self, search_id: str) -> Window:
        """A search that is still kept, with what it was asked; raises NotFound once it is gone."""
        return self.windows.get(search_id)

    def _find(
        self, request: SearchRequest, image: bytes | None, name: str, watch: Stopwatch
    ) -> Window:
        check_request(request, has_picture=image is not None)
        composer = composer_named(request.composer or self.active.composer, self._composers)
        with self._encoder.coming():
            with watch.stage("prepare"), self._runtime.database.read() as session:
                only = read_filter(session, request.filters)
                reference = find_reference(session, request, image, self.active.gallery_id)
                excluded = excluded_products(session, reference)
            pixels = self._pixels(image, name, watch)
        seen = self._seen(reference, pixels, watch)
        with watch.stage("encode_text"):
            prompt = None if seen is None else composer.prompt
            words = read_words(request, self._encoder, self._backbone, prompt)
        with watch.stage("compose"):
            features = QueryFeatures(seen, words.text, words.caption)
            compose = partial(
                compose_queries,
                answering(composer, features),
                strength=request.strength,
                without=words.without,
                text_mean=self._text_mean,
                lam=request.without_weight,
            )
            (query,) = compose([features])
        with watch.stage("gallery"):
            groups = grouped(nearest(self._gallery, query, only, excluded))
        return Window(
            groups=groups,
            features=features,
            compose=compose,
            composer=composer.name,
            filter=only,
            reference=reference,
            text_cut=words.is_cut,
            asked=self._asked(request),
            unseen_words=words.unseen,
        )

    def _asked(self, request: SearchRequest) -> Asked:
        now, without = self.active, (phrase.strip() for phrase in request.without)
        return Asked(
            text=request.text.strip(),
            without=tuple(filter(None, without)),
            strength=request.strength,
            version_id=now.version_id,
            gallery_id=now.gallery_id,
        )

    def _pixels(self, image: bytes | None, name: str, watch: Stopwatch) -> Pixels | None:
        """The uploaded reference as the image tower sees it."""
        if image is None:
            return None
        with watch.stage("decode"):
            see = self._backbone.preprocessing
            return self._runtime.query_decoder.pixels(image, see, name=name)

    def _seen(
        self, reference: KeptReference | None, pixels: Pixels | None, watch: Stopwatch
    ) -> Vectors | None:
        """The un-normalised feature of the reference, (dim,)."""
        if reference is None:
            return None
        if pixels is None:
            with watch.stage("gallery"):
                return self._stored(reference)
        with watch.stage("encode_image"):
            return self._encoder.encode_image(pixels, reference.sha256)

    def _stored(self, reference: KeptReference) -> Vectors:
        image_id = str(reference.image_id)
        stored = self._gallery.fetch([image_id], keys=()).get(image_id)
        if stored is None:
            raise not_yet_embedded(f"Image {image_id}")
        return stored.vector * np.float32(stored.norm)

    def _answer(
        self, search_id: str, window: Window, request: SearchRequest, watch: Stopwatch
    ) -> SearchResponse:
        groups = window.groups[request.offset : request.offset + request.limit]
        with self._runtime.database.read() as session:
            with watch.stage("products"):
                products = products_by_ids(session, product_ids(groups, window.reference))
            counts = self._count(session, window, watch) if request.facets else None
        with watch.stage("explain"):
            shares = self._shares(groups, window) if request.explain else {}
        return SearchResponse(
            search_id=search_id,
            version=self.active.version,
            gallery=self.active.gallery_id,
            composer=window.composer,
            results=hits(groups, request.offset, products, shares),
            total=len(window.groups),
            offset=request.offset,
            reference=shown(window.reference, products),
            text_cut=window.text_cut,
            unseen_words=list(window.unseen_words),
            facets=counts,
            timings_ms=_measured(watch),
        )

    def _count(self, session: Session, window: Window, watch: Stopwatch) -> list[Facet]:
        with watch.stage("facets"):
            return facets(session, window.filter)

    def _shares(self, groups: Sequence[Group], window: Window) -> dict[str, Share]:
        """What picture and words have in each score, by image id."""
        stored = self._gallery.fetch([group.image_id for group in groups], keys=())
        if not stored:
            return {}
        vectors = np.stack([one.vector for one in stored.values()])
        found = explain(window.compose, window.features, self._means, vectors)
        rows = np.stack([found.image, found.text, found.baseline], axis=1).round(SCORE_DECIMALS)
        return {
            image_id: Share(image=image, text=text, baseline=baseline)
            for image_id, (image, text, baseline) in zip(stored, rows.tolist(), strict=True)
        }


def _composers(model: LoadedVersion, encoder: QueryEncoder, own: str) -> dict[str, Composer]:
    """By name: those that need no training, the shipped ones that fit, and the version's own; their
    sentences are read together with those of other queries."""
    found = dict(COMPOSERS)
    for folder, card in shipped_models(model.backbone).items():
        found[card.name] = load_composer(folder, card, model.backbone, encoder.encode_prompts)
    found[own] = model.compose(encoder.encode_prompts)
    return found


def _both(image_mean: Vectors | None, text_mean: Vectors | None) -> FeatureMeans | None:
    if image_mean is None or text_mean is None:
        return None
    return FeatureMeans(image_mean, text_mean)


def _measured(watch: Stopwatch) -> dict[str, float]:
    """Milliseconds by stage; the same figures go to the metrics."""
    seconds = watch.seconds()
    for stage, spent in seconds.items():
        SEARCH_STAGE_SECONDS.labels(stage).observe(spent)
    return {stage: round(spent * 1_000, 3) for stage, spent in seconds.items()}
