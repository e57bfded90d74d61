"""Akin's UI: `streamlit run ui/app.py`, with AKIN_URL naming the API."""

from __future__ import annotations

import streamlit as st

from ui import audit, catalogue, compare, galleries, jobs, models, search, theme, triplets

st.set_page_config(
    page_title="Akin: find it like this, but different",
    page_icon=":material/join_inner:",
    layout="wide",
)
theme.apply()
st.navigation(
    [
        st.Page(search.page, title="Search", url_path="search", default=True),
        st.Page(catalogue.page, title="Catalogue", url_path="catalogue"),
        st.Page(triplets.page, title="Triplets", url_path="triplets"),
        st.Page(models.page, title="Models", url_path="models"),
        st.Page(compare.page, title="Compare", url_path="compare"),
        st.Page(jobs.page, title="Jobs", url_path="jobs"),
        st.Page(galleries.page, title="Galleries", url_path="galleries"),
        st.Page(audit.page, title="Audit log", url_path="audit"),
    ],
    position="top",
).run()
