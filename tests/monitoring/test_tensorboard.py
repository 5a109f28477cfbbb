"""TensorBoard's pictures are drawn whatever the texts are."""

import io

import numpy as np
import pytest
from PIL import Image

from twosome.monitoring import tensorboard
from twosome.monitoring.tracked_states import TrackedStates
from twosome.report.record import Recording
from twosome.types import Decision


def test_pictures_are_drawn_for_any_phrase():
    history = np.random.default_rng(0).dirichlet(np.ones(3), size=40)
    menu = ("a", "a very long phrase " * 8, "büyük 🙂")
    picture = tensorboard.history_picture("Goal: x.\nScene: " + "word " * 60, menu, history, 12_345)
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (tensorboard.WIDTH, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3


def test_a_long_menu_is_cut_to_its_most_probable_actions():
    """2,000 actions took two gigabytes a look, 10,000 nine."""
    n = 10_000
    menu = tuple(f"take thing {i}" for i in range(n))
    history = np.full((3, n), 1e-6)
    history[-1, 9_000] = 0.9
    picture = tensorboard.history_picture("Scene: " + "word " * 20_000, menu, history, 1)
    assert picture.nbytes < 8 * 2**20
    few = tensorboard.history_picture("Scene: x", menu[:31], history[:, :31], 1)
    assert few.shape[0] == tensorboard.history_picture("Scene: x", menu[:3000], history[:, :3000], 1).shape[0]


class Writer:
    """Keeps what TensorBoard would be given."""

    def __init__(self):
        self.texts, self.images = [], []

    def add_text(self, tag, text, step):
        self.texts.append(text)

    def add_image(self, tag, image, step, dataformats):
        self.images.append(image)


def test_the_text_of_a_long_menu_counts_the_rest(uniform, tmp_path):
    tracked = TrackedStates(tmp_path / "tracked_states.json", 1)
    tracked.decisions = [Decision.plain("Scene: x", tuple(f"take thing {i}" for i in range(1000)))]
    tracked.record(64, uniform)
    writer = Writer()
    tensorboard.tracked_states(writer, tracked, 64)
    assert "and 970 less probable actions" in writer.texts[0]
    assert writer.texts[0].count("| take thing") == 30


@pytest.mark.parametrize("size", [(9000, 4), (1, 9000), (3, 3)])
def test_a_picture_of_any_shape_fits_on_the_sheet(size):
    out = io.BytesIO()
    Image.new("RGB", size[::-1]).save(out, "png")
    end = Recording(goal="g", greedy=True, last_picture=out.getvalue())
    sheet = tensorboard.contact_sheet(end)
    assert sheet.nbytes < 64 * 2**20
