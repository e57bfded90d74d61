"""Dataset folders on the server: below one folder, whatever a request says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from backend.errors import InvalidInput
from backend.training.folders import checked_folder, refuse_links_out


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "datasets" / "shop" / "images").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    return tmp_path / "datasets"


def test_a_folder_below_the_root_is_taken(root: Path) -> None:
    assert checked_folder(root, "shop") == root / "shop"
    assert checked_folder(root, "shop/../shop/images") == root / "shop" / "images"
    assert checked_folder(root, str(root / "shop")) == root / "shop"


def test_without_a_root_none_is_read() -> None:
    with pytest.raises(InvalidInput, match="reads no dataset folders: set AKIN_DATASETS"):
        checked_folder(None, "shop")


@pytest.mark.parametrize(
    "path", ["..", "../secret", "/etc", "shop/../../secret", "out", "out/deeper", "\0", "a" * 5_000]
)
def test_a_path_that_leads_out_is_refused(root: Path, path: str) -> None:
    (root / "out").symlink_to(root.parent / "secret")
    with pytest.raises(InvalidInput, match="is not below AKIN_DATASETS: name a folder that is in"):
        checked_folder(root, path)


def test_one_that_is_not_there_is_told(root: Path) -> None:
    with pytest.raises(InvalidInput, match="no dataset folder 'coats' below AKIN_DATASETS"):
        checked_folder(root, "coats")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.text(max_size=60))
def test_nothing_but_a_folder_below_the_root_is_ever_given(root: Path, path: str) -> None:
    try:
        found = checked_folder(root, path)
    except InvalidInput:
        return
    assert found == root or root in found.parents


def test_links_inside_may_not_lead_out(root: Path) -> None:
    (root / "shop" / "images" / "own.jpg").symlink_to(root / "shop")
    refuse_links_out(root, root / "shop")
    (root / "shop" / "images" / "other.jpg").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInput, match=r"link images/other\.jpg in the dataset leads out"):
        refuse_links_out(root, root / "shop")
