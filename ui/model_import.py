"""Bringing in a model: the zip that an export gives, or a zip of a folder of `akin train`."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import NamedTemporaryFile

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from ui.connection import client, told
from ui.text import plain

_NAME = 100


def draw() -> None:
    """The button with its panel."""
    with st.popover("Bring in a model", icon=":material/upload:", key="model_import"):
        number = st.session_state.setdefault("model_files", 0)
        file = st.file_uploader("A model as a zip", ["zip"], key=f"model_file_{number}")
        name = st.text_input(
            "Name",
            key=f"model_name_{number}",
            max_chars=_NAME,
            placeholder="its own, if left empty",
        )
        st.caption("Its backbone has to be here already. Larger ones: `akin models add FOLDER`.")
        with told():
            if st.button(
                "Bring in", key="model_send", type="primary", disabled=file is None
            ) and isinstance(file, UploadedFile):
                _send(file, name.strip())


def _send(file: UploadedFile, name: str) -> None:
    with st.spinner("Sending it, and trying it once"), NamedTemporaryFile(suffix=".zip") as packed:
        shutil.copyfileobj(file, packed)
        packed.flush()
        made = client().import_model(Path(packed.name), name or None)
    st.session_state["model_files"] += 1
    st.toast(f"{plain(made.name)} is a version now.", icon=":material/check:")
    st.rerun()
