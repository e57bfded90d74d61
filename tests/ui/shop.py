"""A small shop in memory: what the stand-in of the HTTP API answers from."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from backend.audit.schemas import AuditLineOut
from backend.catalogue.schemas import (
    CatalogueSummary,
    Facet,
    FacetValue,
    ImageOut,
    ProductFields,
    ProductOut,
)
from backend.encoding.decoding import image_facts
from backend.encoding.vocabulary import Vocabulary, words_of
from backend.errors import InvalidInput, NotFound
from backend.feedback.schemas import FeedbackCreate, TripletOut, TripletPicture
from backend.gallery.filters import Condition, parse_filter
from backend.jobs.schemas import JobItemOut, JobOut
from backend.registry.gallery_schemas import GalleryOut
from backend.registry.schemas import DeploymentOut, PromotionOut, VersionOut
from backend.search.schemas import Reference, SearchHit, SearchRequest, SearchResponse, Share
from backend.training.schemas import LogLineOut, PointOut, TrainRequest
from workers.datasets.wardrobe.drawing import draw
from workers.datasets.wardrobe.families import families

OPENED = datetime(2026, 1, 5, 9, tzinfo=UTC)
ATTRIBUTES = ("colour", "pattern", "sleeves", "length")


@dataclass
class Shop:
    """Products by id, picture bytes by SHA-256, jobs by id; `size` is the pictures' side."""

    size: int = 96
    demo: bool = True
    products: dict[str, ProductOut] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, JobOut] = field(default_factory=dict)
    items: dict[str, list[JobItemOut]] = field(default_factory=dict)
    staged: dict[str, dict[str, str]] = field(default_factory=dict)
    brought: dict[str, list[str]] = field(default_factory=dict)
    previews: int = 0
    upload_bytes: int = 10**9
    searches: list[SearchRequest] = field(default_factory=list)
    galleries: dict[str, GalleryOut] = field(default_factory=dict)
    lines: list[AuditLineOut] = field(default_factory=list)
    versions: dict[str, VersionOut] = field(default_factory=dict)
    deployments: list[DeploymentOut] = field(default_factory=list)
    promotion: PromotionOut | None = None
    trainings: list[TrainRequest] = field(default_factory=list)
    curves: dict[str, list[PointOut]] = field(default_factory=dict)
    logs: dict[str, list[LogLineOut]] = field(default_factory=dict)
    said: list[FeedbackCreate] = field(default_factory=list)
    kept_pictures: list[bytes] = field(default_factory=list)
    triplets: dict[str, TripletOut] = field(default_factory=dict)
    search_is_kept: bool = True
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def fill(self, count: int) -> Shop:
        """Put `count` families of Wardrobe on the shelves."""
        for family in families("heldout", count):
            for item in family.items:
                looks = item.garment.visible()
                fields = ProductFields(
                    title=item.title,
                    category=looks.pop("category"),
                    price=item.price,
                    currency=item.currency,
                    attributes={key: looks[key] for key in ATTRIBUTES if key in looks},
                )
                product = self.add(item.sku, fields)
                picture = io.BytesIO()
                draw(item.garment, item.seed, self.size).save(picture, "webp")
                self.attach(product.id, picture.getvalue())
        return self

    def number(self) -> int:
        """A number never given out before."""
        return next(self._numbers)

    def add(self, sku: str, fields: ProductFields) -> ProductOut:
        """A product without images."""
        number = self.number()
        now = OPENED + timedelta(minutes=number)
        product = ProductOut(
            id=f"p{number:05}",
            sku=sku,
            title=fields.title or sku,
            category=fields.category or "uncategorised",
            split=fields.split or "train",
            price=fields.price,
            currency=fields.currency,
            attributes=fields.attributes or {},
            images=[],
            created_at=now,
            updated_at=now,
        )
        self.products[product.id] = product
        return product

    def attach(self, product_id: str, data: bytes, *, embedded: bool = True) -> None:
        """Give a product a picture."""
        sha = hashlib.sha256(data).hexdigest()
        self.pictures[sha] = data
        image = ImageOut(
            id=f"i{self.number():05}",
            sha256=sha,
            width=self.size,
            height=self.size,
            thumbnail=f"/v1/pictures/{sha}/thumbnail",
            preview=f"/v1/pictures/{sha}/preview",
            embedded=embedded,
            problem=None,
        )
        self.get(product_id).images.append(image)

    def get(self, product_id: str) -> ProductOut:
        """One product, or NotFound."""
        if product_id not in self.products:
            raise NotFound(f"There is no product {product_id}: it may have been deleted.")
        return self.products[product_id]

    def matching(self, filters: Sequence[str], text: str = "") -> list[ProductOut]:
        """The products under the filters whose title or SKU holds the text, newest first."""
        conditions = parse_filter(filters).conditions
        return [
            product
            for product in reversed(self.products.values())
            if text.lower() in f"{product.title} {product.sku}".lower()
            and all(_meets(product, condition) for condition in conditions)
        ]

    def facets(self, filters: Sequence[str]) -> list[Facet]:
        """Category, split, price and attributes with their counts."""
        found = self.matching(filters)
        columns: dict[str, list[str]] = {
            "category": [p.category for p in found],
            "split": [p.split for p in found],
        }
        for key in ATTRIBUTES:
            columns[key] = [str(p.attributes[key]) for p in found if key in p.attributes]
        prices = [float(p.price) for p in self.products.values() if p.price is not None]
        price = Facet(
            key="price",
            label="Price",
            kind="float",
            minimum=min(prices, default=None),
            maximum=max(prices, default=None),
        )
        return [*(_facet(key, values) for key, values in columns.items()), price]

    def summary(self) -> CatalogueSummary:
        """How full the shop is."""
        images = [image for product in self.products.values() for image in product.images]
        return CatalogueSummary(
            products=len(self.products),
            images=len(images),
            embedded=sum(image.embedded for image in images),
            unreadable=sum(image.problem is not None for image in images),
            categories=Counter(p.category for p in self.products.values()),
            splits=Counter(p.split for p in self.products.values()),
        )

    def search(self, request: SearchRequest, image: bytes | None = None) -> SearchResponse:
        """Ranks by shared attributes and by words of the text in the title."""
        self.searches.append(request)
        reference = self._reference(request, image)
        if reference is None and not request.text.strip():
            raise InvalidInput("The query is empty: give a picture, a text, or both.")
        seen = reference.product if reference else None
        pool = [p for p in self.matching(request.filters) if p.images and p != seen]
        scored = sorted(((_score(p, seen, request), p) for p in pool), key=lambda pair: -pair[0][0])
        window = scored[request.offset : request.offset + request.limit]
        return SearchResponse(
            search_id="s1",
            version="akin-demo-sum",
            gallery="g1",
            composer=request.composer or "sum",
            results=[
                _hit(request.offset + n, *pair, both=bool(reference and request.text))
                for n, pair in enumerate(window, 1)
            ],
            total=len(scored),
            offset=request.offset,
            reference=reference,
            text_cut=len(request.text) > 200,
            unseen_words=self._unseen(request),
            timings_ms={"encode": 12.0, "gallery": 3.0, "total": 31.0},
        )

    def triplet(self, reference: ProductOut, caption: str, target: ProductOut, **facts: Any) -> str:
        """A triplet of two products; its id."""
        number = f"t{self.number():05}"
        told = {
            "id": number,
            "state": "candidate",
            "source": "feedback",
            "reference": _side(reference),
            "caption": caption,
            "text": caption,
            "target": _side(target),
            "is_target": True,
            "split": target.split,
            "actor": "ann",
            "created_at": OPENED,
        }
        self.triplets[number] = TripletOut.model_validate(told | facts)
        return number

    def _unseen(self, request: SearchRequest) -> list[str]:
        """What no title says is new to the demo model of this shop."""
        known = Vocabulary(words_of(product.title for product in self.products.values()))
        return known.unseen([request.text, *request.without]) if self.demo else []

    def _reference(self, request: SearchRequest, image: bytes | None) -> Reference | None:
        if image is not None:
            image_facts(image, name="your picture")  # refuses what the API refuses
            return Reference(kind="upload", sha256=hashlib.sha256(image).hexdigest())
        for product in self.products.values():
            for picture in product.images:
                if picture.id == request.reference_image_id:
                    return Reference(
                        kind="catalogue",
                        image_id=picture.id,
                        product=product,
                        sha256=picture.sha256,
                    )
        return None


def _side(product: ProductOut) -> TripletPicture:
    image = product.images[0]
    return TripletPicture(
        image_id=image.id,
        sha256=image.sha256,
        thumbnail=image.thumbnail,
        product_id=product.id,
        sku=product.sku,
        title=product.title,
        split=product.split,
    )


def _facet(key: str, values: Iterable[str]) -> Facet:
    counts = Counter(values).most_common()
    return Facet(
        key=key,
        label=key.title(),
        kind="keyword",
        values=[FacetValue(value=value, count=count) for value, count in counts],
    )


def _meets(product: ProductOut, condition: Condition) -> bool:
    own = {"category": product.category, "split": product.split, "price": product.price}
    value = (own | product.attributes).get(condition.key)
    if condition.values:
        return (str(value) in map(str, condition.values)) != condition.negate
    if not isinstance(value, int | float | Decimal):
        return False
    low, high = condition.gte, condition.lte
    return (low is None or value >= low) and (high is None or value <= high)


def _score(
    product: ProductOut, reference: ProductOut | None, request: SearchRequest
) -> tuple[float, float, float]:
    """The whole score and what picture and words give to it."""
    picture = 0.0
    if reference is not None:
        same = sum(product.attributes.get(k) == v for k, v in reference.attributes.items())
        picture = 0.2 * (product.category == reference.category) + 0.06 * same
    words = set(re.findall(r"\w+", request.text.lower()))
    text = 0.12 * len(words & set(re.findall(r"\w+", product.title.lower())))
    text -= 0.2 * sum(word.lower() in product.title.lower() for word in request.without)
    picture, text = picture * (1 - request.strength), text * (1 + request.strength)
    return 0.3 + picture + text, picture, text


def _hit(
    rank: int, scores: tuple[float, float, float], product: ProductOut, *, both: bool
) -> SearchHit:
    total, picture, text = scores
    return SearchHit(
        rank=rank,
        score=total,
        product=product,
        image_id=product.images[0].id,
        matched_images=len(product.images),
        share=Share(image=picture, text=text, baseline=0.3) if both else None,
    )
