"""The critic's head: values of zero at first, and the shape asked for."""

from types import SimpleNamespace

import torch

from twosome.lm.value_head import ValueHead


def test_the_value_head_starts_at_zero_and_has_the_shape_asked_for():
    features = torch.randn(5, 32)
    linear = ValueHead(32, SimpleNamespace(kind="linear", widths=[9], layer_norm=False))
    published = ValueHead(32, SimpleNamespace(kind="mlp", widths=[1024, 512], layer_norm=False))
    assert [p.shape for p in linear.parameters()] == [(1, 32), (1,)]
    assert [tuple(p.shape) for p in published.parameters()][::2] == [(1024, 32), (512, 1024), (1, 512)]
    for head in (linear, published):
        assert head(features).tolist() == [0.0] * 5
