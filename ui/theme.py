"""The look: one style sheet, the wordmark, and the note while the demo backbone answers."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from backend.registry.schemas import ModelInfo

_REAL_BACKBONE = "akin up --backbone ViT-B-32 --pretrained laion2b_s34b_b79k"
_FOLDER = Path(__file__).parent


def apply() -> None:
    """Style the page and put the wordmark on top."""
    st.html(_FOLDER / "theme.css")
    st.logo(_FOLDER / "wordmark.svg", size="large", icon_image=_FOLDER / "wordmark.svg")


def demo_note(model: ModelInfo) -> None:
    """While the demo backbone answers: what it can do, and how to get a real one."""
    if not model.demo:
        return
    st.html(
        '<details class="akin-demo"><summary><b>Demo model.</b> It was trained on drawn garments: '
        "good at those, a beginner with photos. <u>Use it with your own photos</u></summary>"
        "<p>Start Akin with a backbone that was trained on photos; its weights are fetched once:"
        f"</p><pre>{escape(_REAL_BACKBONE)}</pre>"
        "<p>Which to take, and how to use weights you already have: <b>docs/backbones.md</b></p>"
        "</details>"
    )
