"""TensorBoard's pictures are drawn whatever the texts are."""

import numpy as np

from twosome.monitoring import tensorboard


def test_pictures_are_drawn_for_any_phrase():
    history = np.random.default_rng(0).dirichlet(np.ones(3), size=40)
    menu = ("a", "a very long phrase " * 8, "büyük 🙂")
    picture = tensorboard.history_picture("Goal: x.\nScene: " + "word " * 60, menu, history, 12_345)
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (tensorboard.WIDTH, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3
