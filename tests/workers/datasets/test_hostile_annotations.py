"""Whatever stands in an annotation file, it is read or told in one sentence; nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import AkinError
from tests.workers.datasets.samples import circo, cirr, fashioniq, write_json
from tests.workers.datasets.test_coco import THINGS, instances
from tests.workers.datasets.test_genecis import attribute_query, object_query
from workers.datasets import circo as circo_reader
from workers.datasets import cirr as cirr_reader
from workers.datasets import coco as coco_reader
from workers.datasets import fashioniq as fashioniq_reader
from workers.datasets import genecis as genecis_reader
from workers.datasets.triplets import TripletSplit

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\ud800", "../x", "\0", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)

Load = Callable[[Path], tuple[TripletSplit, ...]]
CASES: dict[str, tuple[Callable[[Path], Any], str, Load]] = {
    "fashioniq": (fashioniq, "captions/cap.dress.val.json", fashioniq_reader.load),
    "fashioniq images": (fashioniq, "image_splits/split.dress.val.json", fashioniq_reader.load),
    "cirr": (cirr, "cirr/captions/cap.rc2.val.json", cirr_reader.load),
    "cirr images": (cirr, "cirr/image_splits/split.rc2.val.json", cirr_reader.load),
    "circo": (circo, "annotations/val.json", circo_reader.load),
    "genecis": (
        lambda root: write_json(root / "change_attribute.json", [attribute_query()]),
        "change_attribute.json",
        lambda root: genecis_reader.load(root, "change_attribute"),
    ),
    "genecis objects": (
        lambda root: write_json(root / "change_object.json", [object_query()]),
        "change_object.json",
        lambda root: genecis_reader.load(root, "change_object"),
    ),
    "coco": (
        lambda root: write_json(root / "annotations/instances_val2017.json", instances(*THINGS)),
        "annotations/instances_val2017.json",
        coco_reader.load,
    ),
}


def replaced(content: Any, new: Any, random: Random) -> Any:
    """The content with one place of it, any, holding something else."""
    if isinstance(content, dict | list) and content and random.random() < 0.85:
        keys = list(content) if isinstance(content, dict) else list(range(len(content)))
        key = random.choice(keys)
        copy = content.copy()
        copy[key] = replaced(content[key], new, random)
        return copy
    return new


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    make, file, load = CASES[request.param]
    root = tmp_path_factory.mktemp("hostile")
    make(root)
    path = root / file
    return root, path, json.loads(path.read_text()), load


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(new=JSON, seed=st.integers(0, 10**6))
def test_any_value_anywhere_is_read_or_told(case, new, seed):
    root, path, content, load = case
    path.write_text(json.dumps(replaced(content, new, Random(seed))))
    try:
        splits = load(root)
    except AkinError as told:
        sentence = told.sentence
    else:
        sentence = "."
        assert all(
            set(one.images) <= {*one.rows, *(t.reference for t in one.triplets)} for one in splits
        )
    assert sentence.endswith(".")
    assert len(sentence) < 600


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(share=st.floats(0, 0.999))
def test_a_file_cut_short_anywhere_is_told(case, share):
    root, path, content, load = case
    whole = json.dumps(content).encode()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(AkinError, match=rf"{path.name} is cut short or damaged at line 1, column"):
        load(root)
