"""TorchScript archives, as OpenAI's own files are: their tensors without their program."""

from __future__ import annotations

import pickle
import zipfile

import pytest
import torch
from torch import Tensor, nn

from backend.composition.checkpoints import torchscript
from backend.composition.checkpoints.reading import read_checkpoint
from backend.errors import InvalidInput, TooLarge

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit")


class Tower(nn.Module):
    """Nested modules, a buffer, shared and sliced memory, half precision, a list of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = [3, 4]
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2).half()
        self.register_buffer("input_resolution", torch.tensor(224))
        self.register_buffer("part", torch.arange(12.0).reshape(3, 4)[1:, ::2])

    def forward(self, rows: Tensor) -> Tensor:
        seen: Tensor = self.stem(rows)
        return seen * self.sizes[0]


class Loud(nn.Module):
    """Its program does something when it is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool]:
        return self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool]) -> None:
        raise ValueError("executed")

    def forward(self, rows: Tensor) -> Tensor:
        return rows * self.weight


class Hollow(nn.Module):
    def forward(self, rows: Tensor) -> Tensor:
        return rows


class Twice(nn.Module):
    """The same module under two names, so a tree of them has 2^depth paths."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.one = self.other = inner

    def forward(self, rows: Tensor) -> Tensor:
        return rows


def test_modules_that_are_shared_by_very_many_paths_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torchscript, "MAX_STEPS", 100)
    tree: nn.Module = Hollow()
    for _ in range(8):
        tree = Twice(tree)
    torch.jit.save(torch.jit.script(tree), tmp_path / "bomb.pt")
    with pytest.raises(TooLarge, match="modules by more than 100 paths"):
        read_checkpoint(tmp_path / "bomb.pt")


def test_the_tensors_are_those_of_the_state_dict(tmp_path):
    tower = Tower()
    torch.jit.save(torch.jit.script(tower), tmp_path / "RN50x4.pt")
    found, expected = read_checkpoint(tmp_path / "RN50x4.pt"), tower.state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_its_program_is_not_run(tmp_path):
    torch.jit.save(torch.jit.script(Loud()), tmp_path / "loud.pt")
    with pytest.raises(torch.jit.Error, match="executed"):
        torch.jit.load(tmp_path / "loud.pt")
    assert read_checkpoint(tmp_path / "loud.pt") == {}  # its state is its program's affair


def test_a_tree_that_names_anything_else_is_refused(tmp_path):
    class Executes:
        def __reduce__(self):
            return print, ("executed",)

    path = tmp_path / "evil.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("evil/constants.pkl", b"")
        archive.writestr("evil/data.pkl", pickle.dumps({"weight": Executes()}))
    with pytest.raises(InvalidInput, match=r"it names builtins\.print"):
        read_checkpoint(path)
