"""Product cards and the grid they stand in. Every string from data is escaped here."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from backend.catalogue.schemas import ImageOut, ProductOut
from ui.connection import picture_url
from ui.text import money

FORMATS = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff"]
"""The endings of the pictures that Akin reads."""


def grid(name: str) -> DeltaGenerator:
    """A container whose child containers stand in equal columns, as many as fit."""
    return st.container(key=f"grid_{name}")


def thumbnail(image: ImageOut) -> str:
    """Where the browser finds an image's thumbnail."""
    return picture_url(image.thumbnail)


def image_of(product: ProductOut, image_id: str | None = None) -> ImageOut | None:
    """The product's image with that id, else its first, else None."""
    matching = [image for image in product.images if image.id == image_id]
    return next(iter(matching or product.images), None)


def picture(source: str | None, alt: str, instead: str = "no picture") -> str:
    """An `<img>` in a box of fixed shape, so that nothing jumps while it loads; or `instead`."""
    if source is None:
        return f'<div class="akin-picture akin-none">{escape(instead)}</div>'
    return (
        f'<div class="akin-picture"><img src="{escape(source)}" alt="{escape(alt)}" loading="lazy">'
        "</div>"
    )


def card(product: ProductOut, image: ImageOut | None, lines: Iterable[str] = ()) -> str:
    """A product as a shop shows it; `lines` are HTML put under its title and price."""
    source = thumbnail(image) if image else None
    return (
        f'<div class="akin-card">{picture(source, product.title)}'
        f'<div class="akin-title" title="{escape(product.title)}">{escape(product.title)}</div>'
        f'<div class="akin-facts"><span>{escape(money(product.price, product.currency))}</span>'
        f"<span>{escape(product.category)}</span></div>{''.join(lines)}</div>"
    )


def bar(share: float, hint: str) -> str:
    """A thin bar filled to `share` of its width, 0 to 1."""
    width = 100 * min(max(share, 0.02), 1)
    return f'<div class="akin-bar" title="{escape(hint)}"><i style="width:{width:.0f}%"></i></div>'
