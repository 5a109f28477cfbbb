"""What a person sees: the first line before the model, lines that fit, means of full windows, mistakes of a world."""

import logging
import subprocess
import sys
from collections import Counter, deque
from types import SimpleNamespace

import pytest
import torch

from twosome.config.compose import compose
from twosome.errors import EnvironmentFault
from twosome.training.console import Console, fitted, progress_line
from twosome.training.progress import Progress
from twosome.training.start import start
from twosome.types import Episode


def progress_of(*overrides: str, steps=0, episodes=0, **record) -> Progress:
    progress = Progress(compose(list(overrides)))
    progress.steps, progress.wall_seconds, progress.updates = steps, steps / 100, steps // 256
    progress._pace_from = (0, 0.0)
    progress.recent = deque([Episode(0.5, 9, 3, True)] * episodes, maxlen=20)
    progress.record = {"speed/steps_per_second": 123.0, **record}
    return progress


@pytest.mark.parametrize("width", [20, 67, 80, 200])
def test_a_line_fits_and_says_the_total_and_the_time_left_first(width):
    progress = progress_of("total_steps=100000", steps=51_200, episodes=20)
    progress.record["policy/entropy"] = 1.5
    progress.last_evaluation = {"greedy": {"return_mean": 0.9205}}
    line = progress_line(progress, width)
    assert len(line) <= width
    assert line.startswith(" 51,200 of 100,000  at most 8:08 left"[:width])
    assert ("return 0.500  greedy 0.92" in line) == (width >= 67)
    assert ("entropy 1.50" in line) == (width >= 200)


def test_means_are_of_full_windows():
    few = progress_line(progress_of(steps=256, episodes=19), 200)
    assert "return" not in few
    assert "success" not in few
    assert "19 of the first 20 episodes" in few
    assert "return 0.500" in progress_line(progress_of(steps=256, episodes=20), 200)


@pytest.mark.parametrize(("steps", "method", "warms"), [(1024, "twosome", True), (1280, "twosome", False)])
def test_the_warm_up_of_the_actor_is_seen(steps, method, warms):
    progress = progress_of(f"method={method}", steps=steps)
    assert ("actor warming up" in progress_line(progress, 200)) == warms


def test_the_time_left_is_at_the_pace_of_whole_updates():
    """The updates in which the actor only warms up take a fifth of the time: they say nothing of the time left."""
    progress = Progress(compose(["total_steps=25600", "log.stop_at=null"]))
    rollout = SimpleNamespace(actions=torch.zeros(32, 8), episodes=[])
    clock = iter([0.0, 1.0, 2.0, 3.0, 4.0, 9.0, 14.0])
    progress.tick = lambda: setattr(progress, "wall_seconds", next(clock))
    progress.tick()
    lines = []
    for _ in range(6):
        progress.add(rollout, {}, Counter(), 0, 0, 1.0)
        lines.append(progress_line(progress, 80))
    assert all("left" not in line for line in lines[:4])
    assert "7:55 left" in lines[4]  # 95 updates of 5 s; with those of the warm-up 2:51
    assert "7:50 left" in lines[5]


def test_what_does_not_fit_makes_room_for_what_does():
    assert fitted("a", ["bbbbbbb", "c"], 5) == "a  c"


def test_the_first_line_comes_before_anything_is_loaded(monkeypatch, capsys, caplog):
    """And a run that will learn nothing is warned of."""

    class Loaded(Exception):
        pass

    def loads(*_):
        raise Loaded

    monkeypatch.setattr("twosome.lm.footprint.must_fit", loads)
    with caplog.at_level(logging.WARNING), pytest.raises(Loaded):
        start(compose(["env=tomato_salad", "total_steps=512"]))
    assert "TomatoSalad-v0 with method twosome and model tiny" in capsys.readouterr().out
    assert "This run will learn nothing" in caplog.text


def test_a_run_says_where_it_ends(tmp_path, capsys):
    for overrides, said in (
        ([], "20,000 steps at most; ends at 99 % of the optimum 0.9205"),
        (["log.stop_at=null"], "20,224 steps (whole updates of 256)."),
        (["env=salads", "total_steps=20480"], "20,480 steps."),
    ):
        cfg = compose(["total_steps=20000", *overrides])
        Console(cfg).begin(tmp_path, Progress(cfg), is_resumed=False)
        assert said in capsys.readouterr().out


def test_a_mistake_of_a_world_is_told_before_the_model_and_leaves_nothing_behind(monkeypatch, tmp_path):
    from tests.faults import environments

    environments.register()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("twosome.lm.footprint.must_fit", lambda *_: pytest.fail("a model was asked for"))
    for at in (0, 1):
        cfg = compose(["env=own", f"env.id={environments.ID}", f"env.kwargs={{fault: no actions, at: {at}}}"])
        with pytest.raises(EnvironmentFault, match=rf"info\['actions'\].*at step {at} of episode 0") as caught:
            start(cfg)
        assert caught.value.transcript.startswith("env: {")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("optimum", "good", "bad"), [(1.0, 0.991, 0.989), (-1.0, -1.009, -1.011), (0.0, 0.0, -0.001)])
def test_a_run_ends_near_a_known_optimum_of_any_sign(optimum, good, bad):
    for value, is_over in ((good, True), (bad, False)):
        progress = progress_of(f"env.optimum={optimum}")
        progress.last_evaluation = {"greedy": {"return_mean": value}}
        assert progress.is_over() == is_over


def test_what_the_first_line_needs_is_light():
    code = "import sys, twosome.training.start; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_is_named_from_where_the_person_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cfg = compose(["total_steps=512", "log.stop_at=null"])
    console = Console(cfg)
    monkeypatch.chdir("/")  # as a world may
    for folder, said in (
        (tmp_path / "outputs" / "run", "outputs/run"),
        (tmp_path.parent / "x", f"{tmp_path.parent}/x"),
    ):
        console.begin(folder, Progress(cfg), is_resumed=False)
        assert f"Run folder: {said}\n" in capsys.readouterr().out
