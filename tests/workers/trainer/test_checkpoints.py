"""Checkpoints are whole or not there, and fit only the run they are of."""

from __future__ import annotations

import pytest
import torch

from backend.errors import InvalidInput, NoSpace
from tests.disks import small_disk
from workers.trainer import checkpoints
from workers.trainer.checkpoints import Progress, Weights


def test_every_part_comes_back_as_it_was(tmp_path):
    layer = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(3)).sum().backward()
    optimiser.step()
    torch.manual_seed(5)
    parts = {"layer": layer, "optimiser": optimiser}
    checkpoints.save(tmp_path / "c.pt", Progress(7, 1.5), facts={"lr": 1}, **parts)
    drawn, kept = torch.rand(3), layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight.zero_()
    assert checkpoints.restore(tmp_path / "c.pt", facts={"lr": 1}, **parts) == Progress(7, 1.5)
    assert torch.equal(layer.weight, kept)
    assert torch.equal(torch.rand(3), drawn)
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


def test_weights_are_loaded_into_the_very_tensors():
    tensor = torch.nn.Parameter(torch.zeros(2))
    Weights({"a": tensor}).load_state_dict({"a": torch.tensor([1.0, 2.0])})
    assert tensor.tolist() == [1.0, 2.0]
    assert tensor.requires_grad


@pytest.mark.parametrize("state", [{}, {"b": torch.zeros(2)}, {"a": torch.zeros(3)}])
def test_weights_of_other_names_or_shapes_are_refused(state):
    with pytest.raises(ValueError, match=r"tensors|shape"):
        Weights({"a": torch.zeros(2)}).load_state_dict(state)


def test_copies_are_of_the_moment():
    tensor = torch.zeros(2)
    copied = Weights({"a": tensor}).copied()
    tensor.fill_(1)
    assert copied["a"].tolist() == [0, 0]


def test_a_disk_that_is_full_before_anything_was_saved_promises_no_checkpoint(tmp_path):
    with small_disk(tmp_path / "disk", 1) as disk, pytest.raises(NoSpace) as caught:
        checkpoints.write(disk.root / "checkpoint.pt", {"weights": torch.zeros(1_000_000)})
    assert caught.value.sentence.endswith("make room and start again; the run begins anew.")


def test_a_full_disk_is_told_and_the_checkpoint_before_it_kept(tmp_path):
    with small_disk(tmp_path / "disk", 4) as disk:
        path = disk.root / "checkpoint.pt"
        large = torch.nn.Linear(400, 400)
        checkpoints.save(path, Progress(1), layer=large)
        disk.fill(leave=200_000)
        with pytest.raises(NoSpace, match="is full: make room and start again; the run goes on"):
            checkpoints.save(path, Progress(2), layer=large)
        assert sorted(p.name for p in disk.root.iterdir()) == ["checkpoint.pt", "filling"]
        assert checkpoints.restore(path, layer=large).step == 1
        disk.make_room()
        checkpoints.save(path, Progress(2), layer=large)
        assert checkpoints.restore(path, layer=large).step == 2


@pytest.mark.parametrize(
    "content", [[1], {"progress": {}, "generator": torch.zeros(1)}, {"progress": 3, "generator": 4}]
)
def test_what_another_program_saved_is_no_checkpoint(tmp_path, content):
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(InvalidInput, match="is no checkpoint of a run"):
        checkpoints.restore(tmp_path / "c.pt")


def test_a_file_of_something_else_is_told(tmp_path):
    torch.save({"weights": torch.zeros(1)}, tmp_path / "c.pt")
    with pytest.raises(InvalidInput, match="is no checkpoint of a run"):
        checkpoints.restore(tmp_path / "c.pt")


def test_objects_in_a_checkpoint_are_not_made(tmp_path):
    torch.save({"progress": Progress(), "generator": print}, tmp_path / "c.pt")
    with pytest.raises(InvalidInput, match="is damaged"):
        checkpoints.restore(tmp_path / "c.pt")


def test_facts_that_differ_are_named(tmp_path):
    facts = {"lr": 0.1, "data": "abc", "betas": [0.9, 0.99]}
    checkpoints.save(tmp_path / "c.pt", Progress(1), facts=facts)
    assert checkpoints.restore(tmp_path / "c.pt", facts=facts).step == 1
    with pytest.raises(InvalidInput, match=r"data was abc and is now xyz"):
        checkpoints.restore(tmp_path / "c.pt", facts={**facts, "data": "xyz"})
