"""A bench of parts goes on where an earlier sitting was, from its folders or from its JSON alone."""

import json
import shutil

import pytest
from omegaconf import OmegaConf

from twosome.bench.parts import Part, measure_all
from twosome.errors import ConfigError


def bench(out, *, seeds, parts=("squares",), factor=1, run=True):
    """Squares of the seed times a factor; every one that is taken is noted in `taken`."""

    def measure(cfg, folder, seed):
        with (out.parent / "taken").open("a") as file:
            file.write(f"{seed} ")
        return seed**2 * cfg.factor

    squares = Part(
        jobs=lambda cfg: [(seed,) for seed in range(cfg.seeds)],
        asked=lambda cfg, seed: {"factor": cfg.factor},
        measure=measure,
        table=lambda found: " ".join(str(value) for value in found.values()) + "\n",
    )
    settings = {"seeds": seeds, "parts": list(parts), "factor": factor, "run": run, "workers": 1, "out": str(out)}
    return measure_all("powers", {"squares": squares, "same": squares}, OmegaConf.create(settings))


def taken(tmp_path):
    return (tmp_path / "taken").read_text().split()


@pytest.mark.parametrize("kept", ["folders", "json"])
def test_a_later_sitting_does_what_is_missing(tmp_path, kept):
    bench(tmp_path / "first", seeds=2)
    later = tmp_path / "later"
    if kept == "folders":
        shutil.copytree(tmp_path / "first", later)
        (later / "powers.json").unlink()
    else:
        later.mkdir()
        shutil.copy(tmp_path / "first" / "powers.json", later)
    report = bench(later, seeds=3)
    assert taken(tmp_path) == ["0", "1", "2"]
    assert [(row["job"], row["found"]) for row in report["results"]["squares"]] == [([k], k * k) for k in range(3)]
    assert (later / "powers.md").read_text() == "## squares\n\n0 1 4\n\n"
    with pytest.raises(ConfigError, match=r"holds results of other settings \(factor\)"):
        bench(later, seeds=3, factor=2)


def test_what_a_sitting_does_not_ask_for_stays_in_the_json(tmp_path):
    bench(tmp_path / "out", seeds=2)
    shutil.rmtree(tmp_path / "out" / "squares")
    bench(tmp_path / "out", seeds=1, parts=["same"])
    found = json.loads((tmp_path / "out" / "powers.json").read_text())["results"]
    assert {name: [row["found"] for row in rows] for name, rows in found.items()} == {"squares": [0, 1], "same": [0]}
