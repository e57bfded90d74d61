"""What can be said of the Dockerfile without building it."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.deployment.compose import REPOSITORY

TEXT = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
STEPS = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and line[0] not in "# "]


def arguments(step):
    return [rest for name, rest in STEPS if name == step]


def test_stages_build_on_each_other_or_on_a_named_version():
    known: set[str] = set()
    for origin in arguments("FROM"):
        base, _, stage = origin.split()
        assert base in known or re.search(r":\d+\.\d+\.\d+-", base), base
        known.add(stage)
    assert {"cpu", "gpu"} <= known


def test_python_is_a_version_that_akin_runs_on():
    (wanted,) = re.findall(r'requires-python = ">=([\d.]+),<([\d.]+)"', pyproject())
    low, high = (tuple(map(int, version.split("."))) for version in wanted)
    for version in re.findall(r"FROM python:(\d+)\.(\d+)", TEXT):
        assert low <= tuple(map(int, version)) < high


def pyproject() -> str:
    return (REPOSITORY / "pyproject.toml").read_text()


def test_packages_come_with_their_hashes():
    (install,) = [rest for rest in arguments("RUN") if "pip install" in rest]
    assert "--require-hashes" in shlex.split(install)


def test_what_is_copied_is_there_and_is_sent_to_the_builder():
    sent = (REPOSITORY / ".dockerignore").read_text().splitlines()
    for copy in arguments("COPY"):
        if copy.startswith("--from="):
            continue
        *sources, _ = copy.split()
        for source in sources:
            assert (REPOSITORY / source).exists(), source
            assert f"!{source}" in sent, source


@pytest.mark.parametrize("package", ["backend", "migrations", "ui", "workers"])
def test_all_of_akin_is_in_the_image(package):
    assert f"{package} ./{package}" in arguments("COPY")
    assert f'"{package}"' in pyproject()


def test_nothing_runs_as_root():
    steps = [name for name, _ in STEPS]
    assert arguments("USER") == ["10001:10001"]
    assert "RUN" not in steps[steps.index("USER") :]


def test_no_secret_and_no_host_is_baked_in():
    assert not re.search(r"https?://", TEXT)
    assert not re.search(r"PASSWORD|SECRET|TOKEN|API_KEY", TEXT)
