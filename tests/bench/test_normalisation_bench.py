"""The bench of normalisation: what it makes of runs, and its two figures beside steps and seconds."""

import doctest
import math

import pytest

from tests.bench.test_curves import found
from twosome import tiny
from twosome.bench import normalisation
from twosome.config.compose import compose_command
from twosome.errors import ConfigError

QUICK = ["seeds=1", "tasks=[food_preparation]", "rows=[sum]", "decisions=4", "budget.food_preparation=256"]
QUICK += [f"model_folder='{tiny.path()}'", "eval_every=256"]
QUICK += ['overrides=["log.eval_episodes=1","log.eval_episodes_final=1","log.tensorboard=false","rollout_steps=8"]']


@pytest.mark.slow
def test_a_row_is_run_and_its_length_bias_told(tmp_path):
    cfg = compose_command([*QUICK, f"out={tmp_path}"], "normalisation")
    report = normalisation.bench(cfg)
    assert list(report["results"]["food_preparation"]) == ["sum"]
    table = (tmp_path / "normalisation.md").read_text()
    before, after = table.strip().splitlines()[-1].split("|")[2].split("/")
    assert float(before) != 0
    assert float(after) == float(before)  # within the actor's warm-up nothing is learnt


def test_the_slope_is_that_of_least_squares_inside_menus():
    assert doctest.testmod(normalisation).failed == 0
    longer_menus_score_lower = [[-1.0, -1.0], [-9.0, -9.0]], [[1, 2], [8, 9]]
    assert normalisation.length_bias(*longer_menus_score_lower) == 0.0  # a single intercept would say -1.1
    assert math.isnan(normalisation.length_bias([[-1.0, -2.0]], [[3, 3]]))  # all are equally long


def test_stability_counts_what_follows_the_optimum_alone():
    curve = [(100, 0.0), (200, 0.92), (300, 0.1), (400, 0.9)]
    results = {"world": {"word": found([200, None, 200]) | {"curves": [curve, [(100, 0.0)], curve[:2] + curve[3:]]}}}
    assert "| word | 75% (50%) |" in normalisation.stability(results)
    assert "| word | - |" in normalisation.stability({"world": {"word": found([None] * 3) | {"curves": [[]] * 3}}})


def test_a_vocabulary_too_small_for_bytes_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(ConfigError, match="vocabulary=100 cannot work: expected a whole number, 260 or more"):
        normalisation.bench(compose_command([*QUICK, f"out={tmp_path}/out", "vocabulary=100"], "normalisation"))
    assert not (tmp_path / "out").exists()
