"""A run is continued by its command line, its folder or a checkpoint of it, and ends as if it had not been stopped."""

import dataclasses
import json
import re
import shutil

import pytest
import yaml

from tests.training.small_run import SMALL
from twosome import checkpoint_folder
from twosome.config.compose import compose
from twosome.config.saved import saved_settings
from twosome.errors import ConfigError
from twosome.training.loop import train
from twosome.training.run_folder import open_run


def same(folder, *overrides):
    return compose([*SMALL, f"run_dir={folder}", *overrides])


def test_the_same_command_line_continues_and_another_lists_what_differs(unfinished):
    run = open_run(same(unfinished))
    assert run.checkpoint == checkpoint_folder.checkpoints(unfinished)[-1]
    run.close()
    with pytest.raises(ConfigError, match=r"ppo\.clip: 0\.2 -> 0\.3; seed: 0 -> 4"):
        open_run(same(unfinished, "seed=4", "ppo.clip=0.3"))
    open_run(same(unfinished, "log.eval_interval=7", "model.threads=2")).close()  # these may differ


def test_resume_takes_the_saved_settings_and_refuses_others(unfinished):
    cfg = compose([f"resume={unfinished}", "log.eval_interval=7"])
    assert (cfg.method, cfg.total_steps, cfg.log.eval_interval) == ("mlp", 512, 7)
    run = open_run(cfg)
    assert run.folder == unfinished
    run.close()
    with pytest.raises(ConfigError, match=r"these differ: seed: 0 -> 5"):
        compose([f"resume={unfinished}", "seed=5"])
    assert compose([f"resume={unfinished}", "method=mlp", "experiment=debug"]).seed == 0  # agrees: harmless


def test_resuming_an_older_checkpoint_sets_the_later_ones_aside(unfinished):
    older, *later = checkpoint_folder.checkpoints(unfinished)[-3:]
    run = open_run(compose([f"resume={older}"]))
    assert run.checkpoint == older
    assert checkpoint_folder.checkpoints(unfinished)[-1] == older
    assert all((unfinished / "checkpoints" / f"aside-{p.name}").is_dir() for p in later)
    run.close()


@pytest.mark.parametrize("how", ["command line", "folder", "older checkpoint"])
def test_a_continued_run_ends_in_the_same_bits(finished, unfinished, how):
    *_, older, last = checkpoint_folder.checkpoints(unfinished)
    if how != "older checkpoint":
        last.rename(unfinished / "kept-back")
    ways = {"command line": same(unfinished), "folder": compose([f"resume={unfinished}"])}
    train(open_run(ways.get(how) or compose([f"resume={older}"])))
    whole = checkpoint_folder.checkpoints(finished)[-1]
    names = sorted(p.relative_to(whole) for p in whole.rglob("*.safetensors"))
    assert names
    assert all((whole / name).read_bytes() == (last / name).read_bytes() for name in names)
    assert untimed(unfinished) == untimed(finished)


def test_worlds_in_processes_go_on_in_the_same_bits(finished, unfinished):
    """What one process began, several end: the rest of the training, the evaluations, the worlds brought back."""
    _, *others = checkpoint_folder.checkpoints(unfinished)
    for other in others:
        other.rename(unfinished / f"kept-back-{other.name}")
    train(open_run(same(unfinished, "num_workers=2")))
    whole = checkpoint_folder.checkpoints(finished)[-1]
    names = sorted(p.relative_to(whole) for p in whole.rglob("*.safetensors"))
    assert names
    assert all((whole / name).read_bytes() == (others[-1] / name).read_bytes() for name in names)
    assert untimed(unfinished) == untimed(finished)


def untimed(run_dir):
    """The records of a run without the times, which no two runs share."""
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.startswith("speed/")} for line in lines]


def test_metrics_are_cut_to_the_checkpoint_also_in_tensorboard(tmp_path, monkeypatch):
    """After a continued run every step is in metrics.jsonl and in TensorBoard's curves once."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = tmp_path / "run"
    overrides = [*SMALL, f"run_dir={folder}", "log.tensorboard=true"]
    run = open_run(compose(overrides))
    calls = []

    def save_twice(*arguments):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(arguments)
        save(*arguments)

    save = checkpoint_folder.save
    monkeypatch.setattr(checkpoint_folder, "save", save_twice)
    with pytest.raises(KeyboardInterrupt):
        train(run)
    monkeypatch.undo()
    train(open_run(compose(overrides)))
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(64, 513, 64))
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert [e.step for e in events.Scalars("loss/value")] == steps


def test_a_record_cut_off_by_a_kill_or_no_record_at_all_is_written_again(unfinished):
    checkpoint_folder.checkpoints(unfinished)[-1].rename(unfinished / "kept-back")
    path, whole = unfinished / "metrics.jsonl", untimed(unfinished)
    path.write_bytes(path.read_bytes()[:-200] + b"\n[3]\n\xff\xfe\n" + b"[" * 100_000)
    train(open_run(same(unfinished)))
    assert untimed(unfinished) == whole


def test_settings_from_before_a_setting_existed_leave_the_run_as_it_was(finished, tmp_path):
    """What older settings lack has a default in the schema that changes nothing; what was renamed is read."""
    data = yaml.safe_load((finished / "config.yaml").read_text())
    del data["ppo"]["count_bonus"], data["baseline"]["backward"], data["policy"]["temperature"], data["init"]
    data["policy"]["scorer"] = "forest"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(data))
    cfg = saved_settings(tmp_path / "config.yaml")
    assert (cfg.ppo.count_bonus, cfg.baseline.backward) == (0.0, True)
    assert (cfg.policy.temperature, cfg.policy.scorer, cfg.init) == (1.0, "trie", None)


def told(error) -> list[str]:
    """The command that a message prints, without its program."""
    [line] = re.findall(r"To go on with it: twosome-train ([^.]*(?:\.[^ .][^.]*)*)\. ", str(error.value) + " ")
    return line.split()


def test_a_finished_run_is_extended_by_the_command_that_it_names(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    before = (folder / "metrics.jsonl").read_text().splitlines()
    with pytest.raises(ConfigError, match="holds a finished run of 512 steps") as refused:
        open_run(compose([f"resume={folder}"]))
    assert told(refused) == [f"resume={folder}", "total_steps=1024"]
    cfg = compose(told(refused))
    train(open_run(cfg))
    after = (folder / "metrics.jsonl").read_text().splitlines()
    assert after[: len(before)] == before
    assert json.loads(after[-1])["step"] == json.loads((folder / "summary.json").read_text())["env_steps"] == 1024
    assert json.loads((folder / "summary-00000512.json").read_text())["env_steps"] == 512
    assert saved_settings(folder / "config.yaml").total_steps == 1024
    assert saved_settings(folder / "config.yaml").resume is None


def test_what_a_run_did_beyond_an_earlier_checkpoint_is_kept_when_it_goes_on_from_there(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    train(open_run(compose([f"resume={folder}", "total_steps=768"])))
    records = {name: (folder / name).read_text() for name in ("metrics.jsonl", "decisions.jsonl")}
    earlier = min((folder / "checkpoints").glob("step-*"))
    steps = {p.name: json.loads(p.read_text())["env_steps"] for p in folder.glob("summary*.json")}
    train(open_run(compose([f"resume={earlier}", "total_steps=1024"])))
    for name, text in records.items():
        stem, suffix = name.split(".")
        assert (folder / f"{stem}-00000768.{suffix}").read_text() == text
    after = {p.name: json.loads(p.read_text())["env_steps"] for p in folder.glob("summary*.json")}
    assert after == {"summary-00000512.json": 512, "summary-00000768.json": 768, "summary.json": 1024}
    assert sorted(steps.values()) == [512, 768]


def test_a_checkpoint_is_no_place_for_a_run(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    checkpoint = max((folder / "checkpoints").glob("step-*"))
    before = sorted(p.name for p in checkpoint.rglob("*"))
    cfg = dataclasses.replace(saved_settings(folder / "config.yaml"), run_dir=str(checkpoint))
    with pytest.raises(ConfigError, match=f"is a checkpoint.*resume={checkpoint}.*init={checkpoint}"):
        open_run(cfg)
    assert sorted(p.name for p in checkpoint.rglob("*")) == before


@pytest.mark.parametrize(
    "summary",
    [
        *({"best": {}}, {"best": {"greedy": "x"}}, {"best": {"greedy": 10**400}}, {"best": [1]}, {"best": None}, [], 3),
        *(
            {"env_steps": -1, "best": {"greedy": None}},
            {"env_steps": 10**4000},
            {"env_steps": True},
            {"env_steps": "x"},
        ),
    ],
    ids=lambda summary: f"{str(summary)[:30]}",
)
def test_a_damaged_summary_is_told_in_one_paragraph(finished, tmp_path, summary):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(ConfigError, match="holds a finished run of 0 steps") as refused:
        open_run(compose([*SMALL, "env.optimum=0.9", f"run_dir={folder}"]))
    assert len(str(refused.value)) < 1000
    open_run(compose([f"resume={folder}", "total_steps=1024"])).close()


def test_an_extended_run_that_was_killed_goes_on(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    open_run(compose([f"resume={folder}", "total_steps=768"])).close()  # as far as a kill may leave it
    assert not (folder / "summary.json").exists()
    assert train(open_run(compose([f"resume={folder}"])))["env_steps"] == 768


def test_a_run_never_gets_shorter(unfinished):
    with pytest.raises(ConfigError, match=r"total_steps: 512 -> 256.*total_steps may grow"):
        compose([f"resume={unfinished}", "total_steps=256"])


def test_a_run_that_came_to_its_goal_is_extended_beyond_it(tmp_path):
    folder = tmp_path / "run"
    goal = [*SMALL, "env.optimum=-5", "log.eval_interval=1", f"run_dir={folder}"]
    assert train(open_run(compose(goal)))["env_steps"] == 64
    with pytest.raises(ConfigError) as refused:
        open_run(compose([f"resume={folder}", "total_steps=1024"]))
    assert told(refused)[1:] == ["total_steps=1024", "log.stop_at=null"]
    assert train(open_run(compose([f"resume={folder}", "log.stop_at=null"])))["env_steps"] == 512


@pytest.mark.parametrize(
    ("method", "playouts"),
    [
        ("gumbel", 1),
        ("preference", 0),
        *(pytest.param(method, 0, marks=pytest.mark.slow) for method in ("gumbel", "search")),
    ],
)
def test_what_simulates_stopped_at_any_update_ends_in_the_same_bits(tmp_path, method, playouts):
    small = [f"method={method}", "num_envs=2", "rollout_steps=8"]
    if method == "preference":
        small += ["preference.share=0.3", "preference.horizon=4", "preference.rollouts=3", "preference.delta=0"]
        small += ["env=tomato_salad"]  # whose steps have their price, so that short branches differ
    else:
        small += ["env=food_preparation", "search.simulations=3", f"search.playouts={playouts}"]
    small += ["total_steps=64", "log.eval_interval=0", "log.eval_episodes_final=1", "log.checkpoint_interval=1"]
    small += ["log.keep_checkpoints=9", "log.tensorboard=false", "expert_iteration.samples=12"]
    assert_any_stop_is_as_good(tmp_path, small)


def test_a_session_stopped_in_the_middle_ends_in_the_same_bits(tmp_path):
    """Notes, advice and prices of a session of the desk, and its place in it, outlive the stop."""
    small = ["method=mlp", "env=desk", "env.kwargs.cost=[0.1,1]", "ppo=plain", "num_envs=2", "rollout_steps=8"]
    small += ["ppo.actor.minibatch=8", "ppo.critic.minibatch=8", "log.decisions_per_update=0", "log.tracked_states=0"]
    small += ["total_steps=64", "log.eval_interval=0", "log.eval_episodes_final=1", "log.checkpoint_interval=1"]
    assert_any_stop_is_as_good(tmp_path, [*small, "log.keep_checkpoints=9", "log.tensorboard=false"])


def assert_any_stop_is_as_good(tmp_path, settings):
    """A run of four updates, whose checkpoints after the second are lost, ends as the whole one."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(open_run(compose([*settings, f"run_dir={whole}"])))
    shutil.copytree(whole, stopped)
    (stopped / "summary.json").unlink()
    *_, second, third, last = checkpoint_folder.checkpoints(stopped)
    for folder in (third, last):
        shutil.rmtree(folder)
    train(open_run(compose([*settings, f"run_dir={stopped}"])))
    names = sorted(p.relative_to(last) for p in last.rglob("*.safetensors"))
    assert names
    assert second.is_dir()
    assert all((whole / "checkpoints" / last.name / n).read_bytes() == (last / n).read_bytes() for n in names)
    assert untimed(stopped) == untimed(whole)
