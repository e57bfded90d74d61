"""Combiner, Phi and Im2Text against their formulas in float64, and the sizes they were published
with."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from backend.composition.networks import Combiner, Im2Text, Phi, network_of
from backend.errors import InvalidInput

DIM, WIDE, HIDDEN, TOKEN = 3, 5, 7, 4


@pytest.mark.parametrize(
    ("make", "sizes", "count"),
    [
        (Combiner, (640, 2560, 5120), 59_003_521),
        (Phi, (768, 768), 14_162_688),
        (Phi, (1024, 1024), 25_175_040),
        (Phi, (1280, 1280), 39_333_120),
        (Im2Text, (768, 768), 1_050_368),
    ],
)
def test_published_sizes_have_the_published_number_of_parameters(make, sizes, count):
    with torch.device("meta"):
        network = make(*sizes)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize(
    ("network", "shapes"),
    [
        (
            Combiner(DIM, WIDE, HIDDEN),
            {
                "text_projection_layer": (WIDE, DIM),
                "image_projection_layer": (WIDE, DIM),
                "combiner_layer": (HIDDEN, 2 * WIDE),
                "output_layer": (DIM, HIDDEN),
                "dynamic_scalar.0": (HIDDEN, 2 * WIDE),
                "dynamic_scalar.3": (1, HIDDEN),
            },
        ),
        (
            Phi(DIM, TOKEN),
            {
                "layers.0": (4 * DIM, DIM),
                "layers.3": (4 * DIM, 4 * DIM),
                "layers.6": (TOKEN, 4 * DIM),
            },
        ),
        (
            Im2Text(DIM, TOKEN),
            {"layers.0.0": (512, DIM), "layers.1.0": (512, 512), "fc_out": (TOKEN, 512)},
        ),
    ],
    ids=["combiner", "phi", "im2text"],
)
def test_weights_are_named_and_shaped_as_in_published_checkpoints(network, shapes):
    expected = {f"{name}.weight": shape for name, shape in shapes.items()}
    expected |= {f"{name}.bias": shape[:1] for name, shape in shapes.items()}
    assert {name: tuple(t.shape) for name, t in network.state_dict().items()} == expected


def linear(state, name, x):
    weight, bias = (state[f"{name}.{part}"].double().numpy() for part in ("weight", "bias"))
    return x @ weight.T + bias


def relu(x):
    return np.maximum(x, 0)


def gelu(x):
    return np.vectorize(lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2)(x)


def drawn(rows, seed=0):
    return np.random.default_rng(seed).normal(0, 2, (rows, DIM))


def as_tensor(x):
    return torch.from_numpy(x).float()


def test_the_combiner_is_the_formula_of_its_paper():
    torch.manual_seed(1)
    network = Combiner(DIM, WIDE, HIDDEN).eval()
    state, image, text = network.state_dict(), drawn(6, 1), drawn(6, 2)
    both = np.hstack(
        [
            relu(linear(state, "text_projection_layer", text)),
            relu(linear(state, "image_projection_layer", image)),
        ]
    )
    mixture = linear(state, "output_layer", relu(linear(state, "combiner_layer", both)))
    hidden = relu(linear(state, "dynamic_scalar.0", both))
    weight = 1 / (1 + np.exp(-linear(state, "dynamic_scalar.3", hidden)))
    combined = mixture + weight * text + (1 - weight) * image
    expected = combined / np.linalg.norm(combined, axis=1, keepdims=True)
    found = network(as_tensor(image), as_tensor(text)).detach().numpy()
    assert weight.shape == (6, 1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_combiner_whose_weights_are_zero_is_the_middle_of_picture_and_words():
    network = Combiner(2, 2, 2).eval()
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    found = network(torch.tensor([[6.0, 0.0]]), torch.tensor([[0.0, 8.0]]))
    assert found.tolist() == [pytest.approx([0.6, 0.8])]  # half of each, un-normalised


def test_both_branches_of_a_combiner_see_what_the_same_dropout_left():
    torch.manual_seed(0)
    network = Combiner(DIM, 64, HIDDEN).train()
    seen = []
    for layer in (network.combiner_layer, network.dynamic_scalar[0]):
        layer.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    network(as_tensor(drawn(8, 1)), as_tensor(drawn(8, 2)))
    for_mixture, for_weight = seen
    assert torch.equal(for_mixture, for_weight)
    with torch.no_grad():
        projected = torch.relu(network.text_projection_layer(as_tensor(drawn(8, 2))))
    kept = for_mixture[:, :64]
    dropped = (kept == 0) & (projected > 0)
    assert 0.3 < dropped.sum() / (projected > 0).sum() < 0.7
    assert torch.allclose(kept[kept > 0], 2 * projected[kept > 0])


def test_phi_is_three_layers_with_gelu():
    torch.manual_seed(2)
    network = Phi(DIM, TOKEN, HIDDEN).eval()
    state, x = network.state_dict(), drawn(5)
    expected = gelu(linear(state, "layers.0", x))
    expected = linear(state, "layers.6", gelu(linear(state, "layers.3", expected)))
    np.testing.assert_allclose(network(as_tensor(x)).detach(), expected, atol=1e-6)


def test_im2text_is_its_blocks_and_a_linear_layer():
    torch.manual_seed(3)
    network = Im2Text(DIM, TOKEN, middle=HIDDEN, layers=3).eval()
    state, expected = network.state_dict(), drawn(5)
    for block in range(3):
        expected = relu(linear(state, f"layers.{block}.0", expected))
    expected = linear(state, "fc_out", expected)
    np.testing.assert_allclose(network(as_tensor(drawn(5))).detach(), expected, atol=1e-6)


def test_dropout_stands_before_relu_in_im2text_and_behind_gelu_in_phi():
    block = list(Im2Text(DIM, TOKEN).layers[0].children())
    assert [type(layer).__name__ for layer in block] == ["Linear", "Dropout", "ReLU"]
    assert block[1].p == 0.1
    kinds = [type(layer).__name__ for layer in Phi(DIM, TOKEN).layers]
    assert kinds == ["Linear", "GELU", "Dropout", "Linear", "GELU", "Dropout", "Linear"]
    assert Phi(DIM, TOKEN).layers[2].p == Combiner(DIM, WIDE, HIDDEN).dropout.p == 0.5


@pytest.mark.parametrize(
    ("kind", "network", "inputs"),
    [
        ("combiner", Combiner(DIM, WIDE, HIDDEN), 2),
        ("phi", Phi(DIM, TOKEN, HIDDEN), 1),
        ("im2text", Im2Text(DIM, TOKEN, middle=HIDDEN, layers=3), 1),
    ],
)
def test_a_network_is_rebuilt_from_its_weights_alone(kind, network, inputs):
    again = network_of(kind, network.state_dict())
    assert type(again) is type(network)
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    given = [as_tensor(drawn(4, seed)) for seed in range(inputs)]
    assert torch.equal(again(*given), network.eval()(*given))


def test_half_precision_weights_answer_in_float32():
    half = {name: tensor.half() for name, tensor in Phi(DIM, TOKEN).state_dict().items()}
    assert network_of("phi", half)(as_tensor(drawn(2))).dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fc_out.bias": None}, r'Missing key\(s\) in state_dict: "fc_out.bias"'),
        ({"fc_out.weight": None}, "fc_out.weight is missing"),
        ({"logit_scale": torch.ones(())}, r'Unexpected key\(s\) in state_dict: "logit_scale"'),
        ({"layers.1.0.weight": torch.ones(2, 3)}, r"size mismatch for layers\.1\.0\.weight"),
        ({"fc_out.weight": torch.ones(3)}, r"fc_out\.weight is \(3,\), not a matrix"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_what_is_wrong(change, reason):
    state = {**Im2Text(DIM, TOKEN).state_dict(), **change}
    state = {name: tensor for name, tensor in state.items() if tensor is not None}
    sentence = rf"^The weights are not those of a network of the kind im2text \({reason}.*\): check"
    with pytest.raises(InvalidInput, match=sentence):
        network_of("im2text", state)
