"""A checkpoint: what is written is read again to the bit, by every method; what is none is refused in one paragraph."""

import json
import shutil
import types
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.faults import forge, paragraph
from twosome import checkpoint_folder, files
from twosome.config.compose import compose
from twosome.errors import CheckpointError
from twosome.training import checkpoint
from twosome.training.loop import train
from twosome.training.run_folder import Run, open_run
from twosome.training.state import TrainingState

COMMON = [
    "env=tomato_salad",
    "experiment=debug",
    "total_steps=192",
    "log.tensorboard=false",
    "log.eval_episodes_final=1",
]
COMMON += [
    "log.checkpoint_interval=1",
    "log.keep_checkpoints=3",
    "ppo.actor.warmup_updates=1",
    "model.lora.rank=2",
]
METHODS = ("twosome", "group", "search", "mlp", "tabular")


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """The folder of a finished run of a method, and its settings."""
    runs = {}

    def of(method):
        if method not in runs:
            place, more = tmp_path_factory.mktemp(method), ["search.simulations=3"] if method == "search" else []
            cfg = compose([*COMMON, *more, f"method={method}", f"run_dir={place / 'run'}"])
            train(open_run(cfg))
            runs[method] = Path(cfg.run_dir), cfg
        return runs[method]

    return of


def state_of(run_dir, cfg, step=None):
    """Everything of a run, from its checkpoint at `step` if one is given."""
    return TrainingState(Run(run_dir, step and run_dir / "checkpoints" / f"step-{step:08d}", cfg))


def files_in(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in forge.files_of(folder)}


def contents_of(run_dir, step=192):
    folder = run_dir / "checkpoints" / f"step-{step:08d}"
    state = json.loads((folder / "state.json").read_text())
    for part, time in (("progress", "wall_seconds"), ("planner", "seconds")):
        state.get(part, {}).pop(time, None)
    return state, {p.name: load_file(p) for p in folder.rglob("*.safetensors")}


def assert_same(a, b):
    """Two nests that may hold tensors."""
    torch.testing.assert_close(a, b, rtol=0, atol=0) if isinstance(a, torch.Tensor) else None
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif not isinstance(a, torch.Tensor):
        assert a == b


@pytest.mark.parametrize("method", METHODS)
def test_what_is_written_is_read_again_and_written_alike(run_of, method, tmp_path):
    run_dir, cfg = run_of(method)
    state = state_of(run_dir, cfg, 192)
    again = tmp_path / "step-00000192"
    checkpoint.write(again, state.policy, state.parts, cfg)
    assert files_in(again) == files_in(run_dir / "checkpoints" / again.name)
    checkpoint_folder.verify(again)
    fresh = state_of(run_dir, cfg)
    for name, part in fresh.parts.items():
        if name not in ("worlds", "policy" if method in ("mlp", "tabular") else ""):
            with pytest.raises(AssertionError):
                assert_same(part.state_dict(), state.parts[name].state_dict())
    checkpoint.read(again, fresh.policy, fresh.parts)
    for name, part in fresh.parts.items():
        assert_same(part.state_dict(), state.parts[name].state_dict())
    decisions = [world.decision for world in state.worlds.worlds]
    assert_same(fresh.policy.log_probs(decisions), state.policy.log_probs(decisions))
    assert_same(fresh.policy.values([d.state for d in decisions]), state.policy.values([d.state for d in decisions]))


@pytest.mark.parametrize("method", METHODS)
def test_a_run_goes_on_from_what_was_read_as_if_it_had_not_stopped(run_of, method, tmp_path):
    run_dir, _ = run_of(method)
    copied = Path(shutil.copytree(run_dir, tmp_path / "run"))
    (copied / "summary.json").unlink()
    train(open_run(compose([f"resume={copied / 'checkpoints' / 'step-00000064'}"])))
    assert_same(contents_of(copied), contents_of(run_dir))


def test_a_state_comes_back_without_a_file(run_of):
    """`load_state_dict(state_dict())` changes nothing, in memory as through a file."""
    run_dir, cfg = run_of("twosome")
    for state in (state_of(run_dir, cfg), state_of(run_dir, cfg, 128)):
        for part in state.parts.values():
            before = part.state_dict()
            part.load_state_dict(before)
            assert_same(part.state_dict(), before)


class Part:
    """Keeps anything that a state may hold."""

    def __init__(self, state):
        self.state = state

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state


class NoWeights:
    def save_weights(self, folder):
        pass

    def load_weights(self, folder):
        pass


def written(folder, parts):
    checkpoint.write(folder, NoWeights(), {name: Part(state) for name, state in parts.items()}, compose([]))
    return folder


def read(folder, *names):
    parts = {name: Part(None) for name in names}
    checkpoint.read(folder, NoWeights(), parts)
    return {name: part.state for name, part in parts.items()}


def test_any_nest_of_numbers_texts_and_tensors_is_kept(tmp_path):
    """Tensors of all kinds and shapes, the smallest and largest numbers, and texts that look like references."""
    kinds = (torch.float32, torch.bfloat16, torch.float64, torch.uint8, torch.int64, torch.bool)
    tensors = {str(kind): torch.arange(6).reshape(2, 3).to(kind) for kind in kinds}
    odd = {"scalar": torch.tensor(0.1), "empty": torch.zeros(0, 4), "transposed": torch.arange(6).reshape(2, 3).T}
    numbers = [0.1, -0.0, 1e-320, 1.7976931348623157e308, float("inf"), 2**60, True, None, "\ud800\n"]
    told = {"$tensor": "b.tensors.scalar"}
    parts = {
        "a": {"numbers": numbers, "nest": [[], {}, [[{"x": [1]}]]], "": {"": 0}},
        "b": {"tensors": tensors | odd, "rows": [torch.ones(2), [torch.zeros(2)]]},
        "told": {"events": [told, {"$$tensor": told}, {"$tensor": 1, "$": 2}, ["$tensor"]]},
    }
    assert_same(read(written(tmp_path / "step-1", parts), *parts), parts)


def test_parts_are_read_one_by_one(tmp_path):
    folder = written(tmp_path / "step-1", {"a": {"x": torch.ones(2)}, "b": {"y": 1}})
    assert read(folder, "b") == {"b": {"y": 1}}
    with pytest.raises(CheckpointError, match="KeyError: 'c'"):
        read(folder, "a", "c")


@pytest.mark.parametrize(
    "reference", ["a.y", "nowhere", "", None, 3, ["a.x"], {"$tensor": "a.x"}, True, "nowhere\n\n" * 1000]
)
def test_a_reference_to_no_tensor_is_refused(tmp_path, reference):
    folder = written(tmp_path / "step-1", {"a": {"x": torch.ones(2)}})
    (folder / "state.json").write_text(json.dumps({"a": {"x": {"$tensor": reference}}}))
    with pytest.raises(CheckpointError, match=r"training state in .* cannot be used") as caught:
        read(folder, "a")
    assert paragraph(str(caught.value)) is None


def test_no_two_places_share_a_tensor(tmp_path):
    """An optimiser whose two moments were the same memory would learn nonsense without an error."""
    folder = written(tmp_path / "step-1", {"a": {"x": torch.ones(2), "y": torch.ones(2)}})
    (folder / "state.json").write_text(json.dumps({"a": {"x": {"$tensor": "a.x"}, "y": {"$tensor": "a.x"}}}))
    with pytest.raises(CheckpointError, match=r"a\.x"):
        read(folder, "a")


@pytest.mark.parametrize(
    "table",
    [
        *("", "3", "[]", "{}", '{"q": {}}', '{"q": 3, "epsilon": 0}', '{"q": [], "epsilon": 0}', "[" * 100_000, "NaN"),
        *(f'{{"q": {{}}, "epsilon": {wrong}}}' for wrong in ("null", '"x"', "-1", "2", "NaN", "1e999", "[0]", "true")),
        *(f'{{"q": {{"s": {wrong}}}, "epsilon": 0.1}}' for wrong in ("3", "null", "[1]", '"x"')),
        *(f'{{"q": {{"s": {{"0": {wrong}}}}}, "epsilon": 0.1}}' for wrong in ("null", '"x"', "NaN", "-1e999", "[1]")),
    ],
)
def test_a_table_that_is_none_is_refused(run_of, tmp_path, table):
    run_dir, cfg = run_of("tabular")
    state, folder = state_of(run_dir, cfg), tmp_path
    save_file({"json": torch.tensor(list(table.encode()), dtype=torch.uint8)}, folder / "table.safetensors")
    with pytest.raises(CheckpointError) as caught:
        state.policy.load_weights(folder)
    assert paragraph(str(caught.value)) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.float8_e5m2, torch.bool])
def test_a_table_of_another_kind_of_number_is_refused(run_of, tmp_path, dtype):
    run_dir, cfg = run_of("tabular")
    save_file({"json": torch.tensor([300, 0, 1]).to(dtype)}, tmp_path / "table.safetensors")
    with pytest.raises(CheckpointError):
        state_of(run_dir, cfg).policy.load_weights(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("exp_avg", lambda x: x[None], "shape"),
        ("exp_avg", lambda x: x.sum(), "shape"),
        ("exp_avg", lambda x: x * float("nan"), "finite"),
        ("exp_avg", lambda x: x.to(torch.complex64), "complex64"),
        ("exp_avg", lambda x: x.to(torch.int64), "int64"),
        ("exp_avg_sq", lambda x: x - 1, "below 0"),
        ("step", lambda x: -x, "below 0"),
        ("step", lambda x: x[None], "shape"),
    ],
)
def test_moments_that_no_optimiser_has_are_refused(run_of, tmp_path, name, value, said):
    """A negative square, for one, would be a NaN in every weight after the next step."""
    run_dir, cfg = run_of("twosome")
    folder = Path(shutil.copytree(run_dir / "checkpoints" / "step-00000192", tmp_path / "step-00000192"))
    tensors = load_file(folder / "training.safetensors")
    key = f"learner.actor.0.{name}"
    tensors[key] = value(tensors[key]).contiguous()
    save_file(tensors, folder / "training.safetensors")
    state = state_of(run_dir, cfg)
    with pytest.raises(CheckpointError, match=rf"{name} of parameter 0 is .*{said}") as caught:
        checkpoint.read(folder, state.policy, state.parts)
    assert paragraph(str(caught.value)) is None


def test_long_texts_are_kept_where_there_is_room(tmp_path, monkeypatch):
    """Thousands of long prompts would make a state file beyond what is read again."""
    monkeypatch.setattr(files, "LARGEST_JSON", 20_000)
    texts = [f"{k} {'über ' * 500}" for k in range(20)] + ["half a surrogate \ud800 " + "x" * 3000, "short"]
    part = Part({"states": texts, "again": texts[0], "$text": {"$tensor": torch.ones(2)}, "x": [[texts[1], None]]})
    folder = tmp_path / "step-00000001"
    nothing = types.SimpleNamespace(save_weights=lambda place: None, load_weights=lambda place: None)
    checkpoint.write(folder, nothing, {"part": part}, compose(COMMON))
    checkpoint_folder.verify(folder)
    fresh = Part(None)
    checkpoint.read(folder, nothing, {"part": fresh})
    assert_same(fresh.state, part.state)


@pytest.mark.parametrize("number", [-1, 1, "0", None, 0.5, True])
def test_a_long_text_that_is_not_there_is_refused(tmp_path, number):
    part, folder = Part("x" * 5000), tmp_path / "step-00000001"
    nothing = types.SimpleNamespace(save_weights=lambda place: None, load_weights=lambda place: None)
    checkpoint.write(folder, nothing, {"part": part}, compose(COMMON))
    (folder / "state.json").write_text(json.dumps({"part": {"$text": number}}))
    with pytest.raises(CheckpointError, match="cannot be used"):
        checkpoint.read(folder, nothing, {"part": part})


@pytest.mark.parametrize("name", ["state.json", "config.yaml", "manifest.json", "adapter/README.md"])
def test_what_could_not_be_read_again_is_not_written(tmp_path, monkeypatch, name):
    monkeypatch.setattr(files, "LARGEST_JSON", 3000)
    monkeypatch.setattr(files, "LARGEST_YAML", 2000)
    folder = tmp_path / "step-00000001"
    checkpoint_folder.save(folder, lambda place: files.write_text(place / "state.json", "[]"))

    def fill(place):
        (place / "adapter").mkdir()
        for k in range(40 if name == "manifest.json" else 0):
            (place / f"{k}.json").write_text("{}")
        (place / name).write_text("x" * 4000) if name != "manifest.json" else None

    with pytest.raises(CheckpointError, match="can be read; it is not written") as caught:
        checkpoint_folder.save(folder, fill)
    assert paragraph(str(caught.value)) is None
    checkpoint_folder.verify(folder)
    assert (folder / "state.json").read_text() == "[]"
