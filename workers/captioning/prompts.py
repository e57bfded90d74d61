"""What a vision model is asked (Feng et al. 2024, "Improving Composed Image Retrieval via
Contrastive Learning with Scaling Positives and Negatives", the step of caption generation)."""

from __future__ import annotations

ANYTHING = "image"


def prompt(category: str | None, words: int) -> str:
    """The published prompt: FashionIQ's names the category, CIRR's says "image"."""
    return f"please briefly describe the {category or ANYTHING} in {words} words"
