"""What answers searches today, the way back, and the promotion that waits for its gallery."""

from __future__ import annotations

from html import escape

import streamlit as st

from backend.registry.schemas import PromotionOut
from ui import version_dialogs
from ui.connection import attempt, client, told
from ui.dialogs import draw_anew
from ui.models_known import Known
from ui.text import ago, amount, plain

_REFRESH_SECONDS = 1.5


def draw(known: Known) -> None:
    """The card on top of the page."""
    with st.container(border=True, key="today", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", key="today_head"):
            st.html(f"<div class='akin-today'>{_title(known)}</div>", width="stretch")
            back = known.way_back
            told = "No earlier version has its gallery still." if back is None else None
            if (
                st.button(
                    "Roll back",
                    key="rollback",
                    icon=":material/undo:",
                    disabled=back is None,
                    help=told,
                )
                and back is not None
            ):
                version_dialogs.roll_back(known.active.name, back)
        if known.waits and known.promotion is not None:
            st.fragment(_waiting, run_every=_REFRESH_SECONDS)(known.promotion.version_id)
        elif known.refused is not None:
            error = known.refused.error or "It was refused."
            st.warning(plain(error), icon=":material/rule:")


def _title(known: Known) -> str:
    now, version = known.deployed, known.active
    method = "a backbone as it is" if version.recipe == "none" else f"recipe {version.recipe}"
    facts = f"{method} on {version.backbone} · for {_since(known)} · by {now.actor}"
    return (
        f"<small>Answers searches today</small><h3>{escape(version.name)}</h3>"
        f"<span>{escape(facts)}</span><p>{escape(now.reason)}</p>"
    )


def _since(known: Known) -> str:
    told = ago(known.deployed.created_at)
    return told.removesuffix(" ago") if told.endswith(" ago") else "a moment"


def _waiting(version_id: str) -> None:
    with told():
        promotion = client().promotion()
        if promotion is None or promotion.state != "waiting" or promotion.version_id != version_id:
            draw_anew()
            return
        share = promotion.held / promotion.images if promotion.images else 0.0
        st.progress(min(share, 1.0), _how_far(promotion))
        with st.container(horizontal=True, vertical_alignment="center", key="waiting_row"):
            why = f" Why: {plain(promotion.reason)}" if promotion.reason else ""
            st.caption(
                f"Asked {ago(promotion.created_at)} by {plain(promotion.actor)}.{why} "
                "Searches go on with the version of today.",
                width="stretch",
            )
            st.button(
                "Withdraw", key="withdraw", on_click=attempt, args=(client().withdraw_promotion,)
            )


def _how_far(promotion: PromotionOut) -> str:
    return (
        f"**{plain(promotion.version)}** takes over once its gallery holds the catalogue · "
        f"{promotion.held:,} of {amount(promotion.images, 'picture')}"
    )
