"""Files as strangers send them: read as tensors, never executed, refused in one sentence."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from backend.composition.checkpoints.reading import read_checkpoint
from backend.errors import InvalidInput, NotFound, TooLarge

STATE = {"layers.0.weight": torch.arange(6.0).reshape(2, 3), "scale": torch.tensor(4.0)}


class Executes:
    """What a hostile checkpoint is made of: unpickling it runs a command."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def refusal(path):
    with pytest.raises((InvalidInput, TooLarge, NotFound)) as caught:
        read_checkpoint(path)
    return caught.value.sentence


def same(found):
    return found.keys() == STATE.keys() and all(torch.equal(found[n], t) for n, t in STATE.items())


def test_tensors_come_back_from_each_form_whatever_the_file_is_called(tmp_path):
    save_file(STATE, tmp_path / "weights.pt")
    torch.save(STATE, tmp_path / "weights.ckpt")
    torch.save(STATE, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    torch.save({"Phi": STATE, "epoch": 3}, tmp_path / "phi.pt")
    for name in ("weights.pt", "weights.ckpt", "old.bin"):
        assert same(read_checkpoint(tmp_path / name))
    found = read_checkpoint(tmp_path / "phi.pt")
    assert same(found["Phi"])
    assert found["epoch"] == 3


@pytest.mark.parametrize("form", ["zip", "old"])
def test_a_file_that_would_execute_is_refused_and_does_not(tmp_path, form):
    path, made = tmp_path / "evil.pt", tmp_path / "executed"
    content = {"CLIP": {**STATE, "logit_scale": Executes(made)}}
    torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    sentence = refusal(path)
    assert sentence.startswith(f"{path} holds more than tensors (it names posix.mkdir), and ")
    assert not made.exists()
    torch.load(path, weights_only=False)
    assert made.exists()  # it is no dud


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_is_refused_and_does_nothing(tmp_path, protocol):
    path, made = tmp_path / "evil.pkl", tmp_path / "executed"
    path.write_bytes(pickle.dumps({"CLIP": Executes(made)}, protocol))
    assert str(path) in refusal(path)
    assert not made.exists()


def test_objects_of_training_codes_are_refused_by_their_name(tmp_path):
    torch.save({"state_dict": STATE, "args": argparse.Namespace(lr=1)}, tmp_path / "run.pt")
    assert "it names argparse.Namespace" in refusal(tmp_path / "run.pt")


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("form", ["zip", "old", "safetensors", "torchscript"])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, form):
    path = tmp_path / "whole"
    if form == "safetensors":
        save_file(STATE, path)
    elif form == "torchscript":
        torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=form == "zip")
    data = path.read_bytes()
    cut = tmp_path / "cut.pt"
    for end in (0, 1, 9, len(data) // 3, len(data) // 2, len(data) - 1):
        cut.write_bytes(data[:end])
        assert refusal(cut).startswith(f"{cut} cannot be read as a checkpoint (")


@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html><html>", b"version https://git-lfs.github.com/spec/v1\n", b"\x80"]
)
def test_another_file_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "best.pt"
    path.write_bytes(content)
    assert "download it again" in refusal(path)


@pytest.mark.parametrize("content", [torch.zeros(3), [STATE], {3: torch.zeros(2)}])
def test_tensors_without_names_are_no_checkpoint(tmp_path, content):
    torch.save(content, tmp_path / "list.pt")
    assert "it holds no tensors by name" in refusal(tmp_path / "list.pt")


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    assert (
        refusal(tmp_path / "no.pt") == f"There is no checkpoint {tmp_path}/no.pt: check the path."
    )


def test_a_few_bytes_that_claim_to_be_much_are_refused(tmp_path):
    huge = torch.zeros(1).expand(10**12)
    torch.save({"CLIP": {"positional_embedding": huge}}, tmp_path / "stretched.pt")
    assert "larger than what is stored" in refusal(tmp_path / "stretched.pt")
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data/0", bytes(200 * 2**20))
    assert "unpacks to more than it holds" in refusal(tmp_path / "bomb.pt")


def test_a_name_that_lies_is_told(tmp_path):
    torch.save(STATE, tmp_path / "weights.safetensors")
    assert "called safetensors and is something else" in refusal(tmp_path / "weights.safetensors")


@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_a_sparse_tensor_is_refused(tmp_path):
    torch.save({"weight": torch.eye(3).to_sparse()}, tmp_path / "sparse.pt")
    assert "sparse" in refusal(tmp_path / "sparse.pt")
