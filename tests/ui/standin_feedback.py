"""The stand-in's feedback and triplets."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Form, UploadFile

from backend.errors import NotFound
from backend.feedback.schemas import FeedbackCreate, FeedbackUpload, TripletOut
from tests.ui.shop import Shop


def add_feedback(app: FastAPI, shop: Shop) -> None:
    """What shoppers say, and what managers do with it."""

    @app.post("/v1/feedback", status_code=201)
    def feedback(said: FeedbackCreate) -> TripletOut:
        return _keep(shop, said)

    @app.post("/v1/feedback/upload", status_code=201)
    def feedback_upload(image: UploadFile, feedback: Annotated[str, Form()]) -> TripletOut:
        said = FeedbackUpload.model_validate_json(feedback)
        assert said.keep_picture
        shop.kept_pictures.append(image.file.read())
        return _keep(shop, said)


def _keep(shop: Shop, said: FeedbackCreate) -> TripletOut:
    if said.search_id is not None and not shop.search_is_kept:
        raise NotFound("This search is no longer kept: search again.")
    shop.said.append(said)
    one, other, *_ = (product for product in shop.products.values() if product.images)
    return shop.triplets[shop.triplet(one, "in red", other)]
