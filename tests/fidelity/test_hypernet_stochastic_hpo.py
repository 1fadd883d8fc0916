"""Hypernetworks against the authors' released code."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from methods.bilevel._hypernet import Hypernet
from methods.bilevel.hypernet_global import GlobalHypernet
from methods.bilevel.hypernet_stochastic_hpo import LocalHypernet
from runners import catalog
from runners.build import build

# lorraine2/hypernet-hypertraining at a6d6cb8, code/neural_network.py under autograd 1.9.1: get_loss_functions over
# one linear layer of 2 inputs and 2 outputs (6 weights), training rows and targets `TRAIN` and validation rows `HELD`,
# hyper_loss -log_gaussian(matrix, exp(x_0)) - log_gaussian(bias, exp(x_1)), at x = `AT`, with the parameters of
# `local` (layers 2, 6) and of `rectified` (layers 2, 3, 6). Of both: the weights that the hypernet gives, its training
# loss, the gradient of that in the parameters (matrices as inputs x outputs), and that of valid_objective in x.
LOCAL = {
    "weights": [0.6109838143398745, 0.44147138070697123, -0.19797638339868917, -0.6610961066163156, -0.464029151216626,
                0.20274635889087195],
    "loss": 31.01796862189822,
    "outer": [3.591163618626396, -4.496954992274765, 6.270596197788762, -0.3030740645212006, -17.330317596973675,
              -0.18158547445315623, -3.6259699276885295, 4.540540420821595, -6.331372127944669, 0.3060115217575481,
              17.498286660621048, 0.18334543885918575],
    "base": [8.320492704030558, -10.419152446718027, 14.528563845715178, -0.7022029098173157, -40.15321952367808,
             -0.42072174253183114],
    "x": [42.51940815168722, 14.189105101581024],
}  # fmt: skip
RECTIFIED = {
    "weights": [0.858035614587268, -0.10270370939733725, 0.1615992503615171, -0.39847328259555326, -0.772699327006506,
                0.6778809497833775],
    "loss": 68.35193034886024,
    "inner": [8.990474664661678, 6.771670191920028, 0.0, -9.077612225916317, -6.837302636051592, 0.0],
    "shift": [20.83034548052748, 15.689519723838977, 0.0],
    "outer": [15.309565270705736, -11.204146324280408, 22.47170921183415, 1.2420537661622988, -37.82119018929638,
              16.60494290870369, 5.940152352281376, -4.347238799185772, 8.719083394868097, 0.48192018978137924,
              -14.674723148338863, 6.44276234723465, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    "base": [20.109800596563986, -14.717148687894644, 29.517597875796714, 1.631493326301599, -49.67982954335133,
             21.81133722002593],
    "x": [25.89129426279764, -20.223494949372597],
}  # fmt: skip


def wave(count: int, pace: float, size: float = 1.0) -> Tensor:
    return size * torch.sin(pace * torch.arange(1, count + 1, dtype=torch.float64))


TRAIN = wave(6, 1.3).view(3, 2), wave(6, 0.7).view(3, 2)
HELD = wave(8, 1.9).view(4, 2), wave(8, 0.4).view(4, 2)
AT = wave(2, 2.1, 0.5)


def local() -> Hypernet:
    return _learnable(Hypernet(wave(6, 1.1, 0.5), wave(12, 0.9, 0.5).view(2, 6).T))


def rectified() -> Hypernet:
    inner, shift = wave(6, 0.9, 0.5).view(2, 3).T, wave(3, 1.7, 0.5)
    return _learnable(Hypernet(wave(6, 2.3, 0.5), wave(18, 1.1, 0.5).view(3, 6).T, inner, shift))


def _learnable(net: Hypernet) -> Hypernet:
    for parameter in net.parameters():
        parameter.requires_grad_()
    return net


def error(rows: tuple[Tensor, Tensor], y: Tensor) -> Tensor:
    """The mean over all outputs of the negative log-density of a normal with standard deviation 0.1."""
    squares = mse_loss(rows[0] @ y[:4].view(2, 2) + y[4:], rows[1])
    density: Tensor = squares / 0.02 + math.log(0.1 * math.sqrt(2 * math.pi))
    return density


def g(x: Tensor, y: Tensor) -> Tensor:
    whole: Tensor = error(TRAIN, y) + x[0].exp() * y[:4].norm() + x[1].exp() * y[4:].norm()
    return whole


@pytest.mark.parametrize(("net", "known"), [(local(), LOCAL), (rectified(), RECTIFIED)], ids=["local", "rectified"])
def test_weights_losses_and_gradients_are_the_authors(net: Hypernet, known: dict[str, list[float]]) -> None:
    y = net(AT)
    assert y.tolist() == pytest.approx(known["weights"], rel=1e-12)
    slot = y.detach().requires_grad_()
    loss = g(AT, slot)
    assert loss.item() == pytest.approx(known["loss"], rel=1e-12)
    (slope,) = torch.autograd.grad(loss, slot)
    (y @ slope).backward()  # type: ignore[no-untyped-call]
    for name in ("base", "outer", "inner", "shift"):
        parameter = getattr(net, name)
        if parameter is not None:
            slopes = parameter.grad.T if parameter.ndim == 2 else parameter.grad
            assert slopes.flatten().tolist() == pytest.approx(known[name], rel=1e-10), name
    (held,) = torch.autograd.grad(error(HELD, slot), slot)
    assert net.pullback(AT, held).tolist() == pytest.approx(known["x"], rel=1e-10)


def test_the_rows_have_the_papers_values() -> None:
    one = build(catalog.find("method", "bilevel/hypernet_stochastic_hpo").values, LocalHypernet, "method")
    assert (one.steps, one.samples, one.width) == (10, 2, 10)
    other = build(catalog.find("method", "bilevel/hypernet_global").values, GlobalHypernet, "method")
    assert (other.samples, other.width) == (2, 50)
