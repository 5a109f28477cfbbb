"""Settings on disk: what is written is read back equal, earlier runs too, and a run goes on with what it has saved."""

import copy
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.config.choices import composed
from tests.faults import paragraph
from twosome.config.compose import compose
from twosome.config.names import flat
from twosome.config.python import as_overrides
from twosome.config.saved import FREE, LATER_GROUPS, is_free, must_agree, read_settings, saved_settings, to_yaml
from twosome.config.schema import TrainSettings, conf_dir
from twosome.errors import CheckpointError, ConfigError

EARLIER = Path(__file__).parents[1] / "data/run_of_2026_11_24.yaml"  # written before settings were renamed
CHOICES = sorted(f"{p.parent.name}={p.stem}" for p in conf_dir().glob("*/*.yaml") if p.stem not in ("own", "hf"))


def written(cfg: TrainSettings, folder: Path) -> Path:
    (folder / "config.yaml").write_text(to_yaml(cfg), encoding="utf-8")
    return folder / "config.yaml"


@pytest.fixture(scope="module")
def base() -> TrainSettings:
    return compose(["env=food_preparation"])


# There and back -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_comes_back_equal(choice: str, tmp_path):
    cfg = composed(choice)
    again = saved_settings(written(cfg, tmp_path))
    assert again == cfg
    assert repr(again) == repr(cfg), "1 and 1.0 are equal, and not the same"


def nested(levels: int) -> object:
    inside: object = 1
    for k in range(levels):
        inside = {"a": inside} if k % 2 else [inside]
    return inside


CIRCLE: dict = {}
CIRCLE["a"] = [CIRCLE, CIRCLE]
REFUSED = [
    ({"_target_": "os.system"}, "env.kwargs holds a _target_"),
    ({"worlds": [{"_target_": "os.system"}]}, r"env.kwargs.worlds\[0\] holds a _target_"),
    ({"a": "${seed}"}, "interpolation"),
    ({"a": ["${nothing}"]}, "interpolation"),
    ({"a": "\\${seed}"}, "interpolation"),
    ({"${a}": 1}, "interpolation"),
    ({"a": 10**400}, "env.kwargs.a cannot work: expected a number that a float can hold, got one of 4.. digits"),
    ({"a": nested(48)}, "nested"),
    ({"a": nested(5000)}, "nested"),
    ({"a": float("nan")}, "got nan"),
]


@pytest.mark.parametrize(("kwargs", "said"), REFUSED, ids=[str(k) for k in range(len(REFUSED))])
def test_what_could_not_be_read_again_is_refused_at_the_start_by_both_doors(kwargs, said):
    """An escaped interpolation would be one in the file."""
    with pytest.raises(ConfigError, match=said):
        compose(as_overrides({"env": {"id": "x:Y-v0", "kwargs": kwargs}}))
    if "4.. digits" not in said:
        written_out = "{a: " * 500 + "1" + "}" * 500 if "nested" in said else str(kwargs).replace("'", "")
        for argument in (f"env.kwargs={written_out}", f"++env.kwargs={written_out}"):
            with pytest.raises(ConfigError) as caught:
                compose(["env=own", "env.id=x:Y-v0", argument])
            assert paragraph(str(caught.value)) is None


@pytest.mark.parametrize(
    "kwargs", [{"a": nested(47)}, {"a": "0x" + "f" * 500}, {"a": "1" * 500}, {"a": "1:30"}, {"$": "$"}]
)
def test_what_looks_odd_and_can_be_read_again_is_taken(kwargs, tmp_path):
    cfg = compose(as_overrides({"env": {"id": "x:Y-v0", "kwargs": kwargs}}))
    assert cfg.env.kwargs == kwargs
    assert saved_settings(written(cfg, tmp_path)) == cfg


def test_a_circle_is_no_setting():
    for settings_ in ({"env": {"id": "x:Y-v0", "kwargs": CIRCLE}}, {"ppo": CIRCLE}, {"seed": CIRCLE["a"]}):
        with pytest.raises(ConfigError, match=r"nested|entries"):
            as_overrides(settings_)


LONG = ["1" * 400, "1" * 5000, "0x" + "f" * 5000, "1" + ":1" * 60_000, "1" + ":1" * 60_000 + ".5", "1" + "_" * 50_000]


@pytest.mark.parametrize("number", LONG, ids=[f"{number:.5}" for number in LONG])
@pytest.mark.parametrize("key", ["seed", "clip"])
def test_a_number_that_no_float_holds_is_refused_before_it_is_made(base, tmp_path, key, number):
    text = written(base, tmp_path).read_text()
    for line in ("seed: 0", "clip: 0.2"):
        assert text.count(f"{line}\n") == 1
        if line.startswith(key):
            (tmp_path / "config.yaml").write_text(text.replace(line, f"{key}: {number}"))
    with pytest.raises(CheckpointError, match="digits"):
        read_settings(tmp_path / "config.yaml")
    with pytest.raises(ConfigError) as caught:
        compose([f"{'ppo.' if key == 'clip' else ''}{key}={number[:5000]}"])
    assert paragraph(str(caught.value)) is None


# A saved config holds no interpolation, so no "$"; of control characters line ends and tabs alone.
PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="$") | st.sampled_from("\n\t"))
KEYS = st.sampled_from(["a", "b c", "no", "d.e"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | PLAIN_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=PLAIN_TEXT.filter(str.strip),
    prompt=PLAIN_TEXT.map(lambda t: t.replace("{", "").replace("}", "")),
    kwargs=st.dictionaries(st.sampled_from(["recipe", "null", "1", "map"]), VALUES, max_size=3),
    clip=st.floats(1e-12, 1e12),
    optimum=st.none() | st.floats(-1e12, 1e12),
)
def test_any_text_and_any_number_comes_back_equal(name, prompt, kwargs, clip, optimum, base, tmp_path):
    """Also texts that look like something else to YAML: `no`, `1e3`, `~`, `- a`, `#`, line ends."""
    cfg = copy.deepcopy(base)
    cfg.name, cfg.policy.prompt = name, f"{prompt}{{scene}}."
    cfg.env.kwargs, cfg.env.optimum, cfg.ppo.clip = kwargs, optimum, clip
    again = saved_settings(written(cfg, tmp_path))
    assert again == cfg
    assert repr(again) == repr(cfg)


LIKE_YAML = ["no", "null", "~", "1e3", "0x10", "- a", "a: b", "# x", "'", '"', "2026-11-25", "é\u2028🙂", " a", "a\n"]


@pytest.mark.parametrize("text", LIKE_YAML)
def test_texts_that_look_like_something_else(text: str, base, tmp_path):
    assert saved_settings(written(replace(base, name=text), tmp_path)).name == text


def test_overrides_are_laid_over_the_saved_ones(base, tmp_path):
    path = written(base, tmp_path)
    cfg = saved_settings(path, ["model.threads=2", "policy.reuse=[features]", "env.kwargs.level=3"])
    expected = copy.deepcopy(base)
    expected.model.threads, expected.policy.reuse, expected.env.kwargs = 2, ["features"], {"level": 3}
    assert cfg == expected
    with pytest.raises(ConfigError, match=r"model\.threads=0"):
        saved_settings(path, ["model.threads=0"])
    with pytest.raises(ConfigError, match=r"Did you mean 'model\.threads'"):
        saved_settings(path, ["model.thread=1"])


# Earlier versions -----------------------------------------------------------------------------------------------------


def test_a_run_of_an_earlier_version_has_the_settings_that_it_had():
    """Old names in their new fields; what came later stands at what leaves such a run as it was."""
    before, now = flat(yaml.safe_load(EARLIER.read_text())), flat(asdict(saved_settings(EARLIER)))
    today = {"imitation": "self_imitation", "novelty": "count_bonus", "probe_states": "tracked_states"}
    today["probe_interval"] = "tracked_interval"
    before = {".".join(today.get(part, part) for part in key.split(".")): value for key, value in before.items()}
    assert {key: now[key] for key in before} == before
    usual = flat(asdict(compose([])))
    later = {key: now[key] for key in now.keys() - before.keys()}
    groups = {key: usual[key] for key in usual if key.split(".")[0] in LATER_GROUPS}
    alone = {
        "init": None,
        "policy.temperature": 1.0,
        "policy.pooling": "last",
        "policy.numbers": False,
        "policy.chat": False,
        "policy.system": None,
        "policy.shortlist": None,
    }
    alone |= {
        "log.wandb": None,
        "ppo.kl": "actions",
        "env.step_timeout": None,
        "num_workers": 0,
        "rank_timeout": 600.0,
        "agent": None,
        "ppo.credit": "session",
        "ppo.hint": 0.0,
        "ppo.decompose": "action",
    }
    assert later == alone | groups
    assert groups["search.simulations"] == 0


def test_a_run_of_an_earlier_version_agrees_with_its_command_line(tmp_path):
    (tmp_path / "config.yaml").write_text(EARLIER.read_text())
    line = ["experiment=debug", "total_steps=64", "run_dir=r", "log.tensorboard=false"]
    with pytest.raises(ConfigError, match=r"ppo\.kl: 'actions' -> 'menu'"):
        must_agree(tmp_path, compose(line))  # numbers of ours that are others now
    line += ["ppo.kl=actions"]
    must_agree(tmp_path, compose(line))
    with pytest.raises(ConfigError, match=r"ppo\.count_bonus: 0\.05 -> 0\.5"):
        must_agree(tmp_path, compose([*line, "ppo.count_bonus=0.5"]))


# Going on -------------------------------------------------------------------------------------------------------------


def test_the_same_settings_go_on_and_others_are_listed(base, tmp_path):
    written(base, tmp_path)
    must_agree(tmp_path, base)
    other = copy.deepcopy(base)
    other.seed, other.ppo.clip, other.log.eval_interval = 4, 0.3, 9
    with pytest.raises(ConfigError) as caught:
        must_agree(tmp_path, other)
    assert "ppo.clip: 0.2 -> 0.3; seed: 0 -> 4" in str(caught.value)
    assert "eval_interval" not in str(caught.value)


def test_what_may_differ_is_what_changes_no_number_of_the_run():
    free = {key for key in flat(asdict(compose([]))) if is_free(key)}
    whole = {"run_dir", "resume", "plan", "log", "num_workers", "rank_timeout"}
    assert {key.split(".")[0] for key in free} == whole | {"model"}
    assert {key for key in free if key.startswith("model")} == {"model.device", "model.threads"}
    assert not is_free("logs")
    assert all(is_free(key) for key in FREE)


def test_a_resumed_run_has_its_own_settings_and_only_what_is_free_is_the_users(tmp_path):
    saved = compose(["experiment=debug", "seed=7", "ppo.clip=0.3"])
    written(saved, tmp_path)
    cfg = compose([f"resume={tmp_path}", "log.eval_interval=3", "model.threads=2"])
    expected = copy.deepcopy(saved)
    expected.resume, expected.log.eval_interval, expected.model.threads = str(tmp_path), 3, 2
    assert cfg == expected
    assert compose([f"resume={tmp_path}", "seed=7"]).seed == 7, "what agrees may be said again"
    with pytest.raises(ConfigError, match="seed: 7 -> 0"):
        compose([f"resume={tmp_path}", "seed=0"])


# What cannot be used --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no settings"),
        ("[1, 2]", "holds no settings"),
        ("seed: {", "is not YAML that can be read"),
        ("seed: 3\n", "is missing"),
        ("seeed: 3\n", "Unknown setting 'seeed'. Did you mean 'seed'"),
        ("seed: x\n", "seed=x cannot work: expected a whole number"),
    ],
)
def test_a_file_that_is_no_saved_config_is_refused_by_name(text: str, said: str, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(CheckpointError) as caught:
        saved_settings(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_saved_value_that_cannot_work_is_refused_by_name(base, tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.yaml cannot be used: ppo\.clip=-1\.0 cannot work"):
        saved_settings(written(replace(base, ppo=replace(base.ppo, clip=-1.0)), tmp_path))


@pytest.mark.parametrize("text", ["[" * 100_000, "{" * 100_000, "- " * 50_000, "? " * 50_000], ids=lambda t: t[:2])
def test_a_file_that_nests_without_end_is_refused_at_once(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(CheckpointError, match="nested more than 50 deep"):
        read_settings(tmp_path / "config.yaml")
