"""Checkpoints damaged and forged: truncations, bit flips, swapped files, hostile names, pickles in disguise, bombs.

Damage leaves the manifest as it was; a forgery comes with a manifest of its own, as a stranger's would. Each is refused by a named
error in one paragraph, and none runs code: every payload would create a canary file.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.faults import Count, kills, paragraph

NOT_READ = ("adapter_config.json", "manifest.json")  # the one decides nothing, the other is written anew
SLOWEST = 20.0  # seconds in which a refusal must come


class Payload:
    """Unpickling this creates the canary."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


def files_of(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


# Damage: the manifest is that of the whole checkpoint -------------------------------------------------------------------


def truncate(folder: Path, rng: random.Random) -> str:
    path = rng.choice([p for p in files_of(folder) if p.stat().st_size])
    size = rng.randrange(path.stat().st_size)
    rewrite(path, path.read_bytes()[:size])
    return f"{path.name} cut to {size}"


def flip(folder: Path, rng: random.Random) -> str:
    path = rng.choice(files_of(folder))
    data = bytearray(path.read_bytes())
    bit = rng.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    rewrite(path, bytes(data))
    return f"{path.name} bit {bit}"


def grow(folder: Path, rng: random.Random) -> str:
    path = rng.choice(files_of(folder))
    rewrite(path, path.read_bytes() + rng.randbytes(rng.randrange(1, 4096)))
    return f"{path.name} grown"


def swap(folder: Path, rng: random.Random) -> str:
    a, b = rng.sample([p for p in files_of(folder) if p.name != "manifest.json"], 2)
    one, other = a.read_bytes(), b.read_bytes()
    rewrite(a, other)
    rewrite(b, one)
    return f"{a.name} and {b.name} swapped"


def lose(folder: Path, rng: random.Random) -> str:
    path = rng.choice(files_of(folder))
    path.unlink()
    return f"{path.name} lost"


def add(folder: Path, rng: random.Random) -> str:
    name = rng.choice(["extra.safetensors", "adapter/pytorch_model.bin", ".hidden", "adapter/__init__.py", "sitecustomize.py"])
    (folder / name).write_bytes(b"print('hello')")
    return f"{name} added"


def zero(folder: Path, rng: random.Random) -> str:
    path = rng.choice(files_of(folder))
    start = rng.randrange(path.stat().st_size)
    data = path.read_bytes()
    if not any(data[start:]):
        return truncate(folder, rng)
    rewrite(path, data[:start] + bytes(len(data) - start))
    return f"{path.name} zero from {start}"


DAMAGE = [truncate, flip, grow, swap, lose, add, zero]


# Forgeries: the manifest fits -------------------------------------------------------------------------------------------


def forge_pickle(folder: Path, rng: random.Random, canary: Path) -> None:
    path = rng.choice([p for p in files_of(folder) if p.suffix in (".safetensors", ".json", ".yaml") and p.name not in NOT_READ])
    if rng.random() < 0.5:
        rewrite(path, pickle.dumps(Payload(canary)))
    else:
        path.unlink()
        torch.save({"weight": Payload(canary)}, path)


def forge_tensors(folder: Path, rng: random.Random, canary: Path) -> None:
    path = rng.choice(sorted(folder.rglob("*.safetensors")))
    tensors = load_file(path)
    name = rng.choice(sorted(n for n in tensors if not n.endswith(".step")))
    how = rng.randrange(5)
    if how == 0 or (how == 3 and not tensors[name].is_floating_point()):
        del tensors[name]
    elif how == 1:
        tensors[name] = torch.zeros(3, 5, 7)
    elif how == 2 and path.name != "training.safetensors":
        tensors["base_model.model.lm_head.weight"] = torch.zeros(4)
    elif how == 3:
        tensors[name].view(-1)[0] = rng.choice([float("nan"), float("inf")])
    else:
        tensors = {}
    path.unlink()
    save_file(tensors, path)


def forge_header(folder: Path, rng: random.Random, canary: Path) -> None:
    path = rng.choice(sorted(folder.rglob("*.safetensors")))
    length = rng.choice([0, 2**40, 2**63 - 1, 10, 100_000_000])
    header = rng.choice([b"{}", b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}', b"[" * 1000, b"\xff" * 64])
    rewrite(path, length.to_bytes(8, "little") + header)


def forge_state(folder: Path, rng: random.Random, canary: Path) -> None:
    path = folder / "state.json"
    whole = json.loads(path.read_text())
    hostile = [
        "[" * 100_000, "3", "null", "{}", '"x"', "{" + '"a":1,' * 3, "1" * 10_000, '{"counters": {"updates": 1e999}}', "\x00", "NaN",
        json.dumps(whole | {"counters": {"updates": -1, "bad_updates": 0, "token_budget": 1}}),
        json.dumps(whole | {"counters": {"updates": "1", "bad_updates": 0, "token_budget": 1}}),
        json.dumps(whole | {"prompts": ["a"]}), json.dumps(whole | {"prompts": None}),
        json.dumps(whole | {"probes": {"device": "cpu", "inside": {"scorer": "forest", "command": "os.system"}, "beyond": None}}),
        json.dumps(whole | {"run": {}}), json.dumps(whole | {"run": {"worlds": 3, "stats": {}}}),
        json.dumps(whole | {"run": {**whole["run"], "stats": {"steps": "many"}}}),
        json.dumps(whole | {"run": {**whole["run"], "stats": {**whole["run"]["stats"], "recent": [[1]]}}}),
        json.dumps(whole | {"run": {**whole["run"], "worlds": {**whole["run"]["worlds"], "worlds": []}}}),
        json.dumps(whole | {"run": {**whole["run"], "worlds": {**whole["run"]["worlds"], "worlds": [{"episode": "0"}] * 4}}}),
        json.dumps(whole | {"run": {**whole["run"], "worlds": {**whole["run"]["worlds"], "failed": "x"}}}),
    ]  # fmt: skip
    rewrite(path, rng.choice(hostile).encode())


def forge_settings(folder: Path, rng: random.Random, canary: Path) -> None:
    path = folder / "config.yaml"
    whole = path.read_text()
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(30))
    hostile = [
        whole.replace("trust_remote_code: false", "trust_remote_code: true"),
        whole.replace("id: twosome_envs:twosome/FoodPreparation-v0", "id: antigravity:Evil-v0"),
        whole.replace("id: twosome_envs:twosome/FoodPreparation-v0", "id: os.path:Evil-v0"),
        whole + f"\nx: !!python/object/apply:os.system ['touch {canary}']\n",
        whole.replace("name: tiny", f"name: !!python/object/apply:os.system ['touch {canary}']"),
        whole.replace("kwargs: {}", "kwargs: {_target_: os.system, command: true}"),
        whole.replace("name: tiny", "name: ${oc.env:HOME}"), whole.replace("name: tiny", 'name: "\\x24{oc.env:HOME}"'),
        whole.replace("seed: 0", "seed: zero"), whole.replace("method: twosome", "method: os.system"), bomb, whole + bomb, "", "3", "- 1\n- 2",
        "a: [" * 5000, whole + "\nunknown: 1\n", whole.replace("rank:", "rnk:"), whole.replace("device: cpu", "device: cuda:evil"), "\x00\x01",
        whole.replace("token_budget:", "_target_:"), whole + "x: " + "y" * 2**21,
    ]  # fmt: skip
    rewrite(path, rng.choice([h for h in hostile if h != whole]).encode())


def forge_names(folder: Path, rng: random.Random, canary: Path) -> None:
    """Hostile names in the manifest, links, pipes, too many files; made after the manifest, which it rewrites itself."""
    seal(folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    how = rng.randrange(10)
    if how < 5:
        name = rng.choice(["../../../etc/passwd", "/etc/passwd", "a/../../b", "..", "./x", "a//b", "", "a\\..\\b", "a\x00b", "~/x", "C:\\x"])
        manifest["files"][name] = {"size": 1, "sha256": "0" * 64}
    elif how == 5:
        target = rng.choice([p for p in files_of(folder) if p.name != "manifest.json"])
        target.unlink()
        target.symlink_to(rng.choice(["/etc/passwd", "/dev/zero", "../../../x", canary]))
    elif how == 6:
        target = rng.choice([p for p in files_of(folder) if p.name != "manifest.json"])
        target.unlink()
        os.mkfifo(target)
        manifest["files"][str(target.relative_to(folder))] = {"size": 0, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
    elif how == 7:
        shutil.rmtree(folder / "adapter")
        (folder / "adapter").symlink_to("/etc")
    elif how == 8:
        manifest = rng.choice([[], {}, {"format": 99, "files": {}}, {"format": 1, "files": {}}, {"format": 1, "files": []}, {"format": 1}, 3, None])
    else:
        manifest["files"] |= {f"file{i}": {"size": 0, "sha256": ""} for i in range(300)}
    rewrite(path, json.dumps(manifest).encode())


def forge_manifest_file(folder: Path, rng: random.Random, canary: Path) -> None:
    path = folder / "manifest.json"
    path.unlink(missing_ok=True)
    how = rng.randrange(5)
    if how == 0:
        os.mkfifo(path)
    elif how == 1:
        path.symlink_to("/dev/zero")
    elif how == 2:
        path.mkdir()
    elif how == 3:
        path.write_bytes(b"{" * 200_000)
    else:
        with path.open("wb") as file:  # sparse: nothing on the disk, a terabyte to read
            file.truncate(2**40)


FORGERIES: list[tuple[Callable, bool]] = [
    (forge_pickle, True), (forge_tensors, True), (forge_header, True), (forge_state, True), (forge_settings, True),
    (forge_names, False), (forge_manifest_file, False),
]  # fmt: skip


def rewrite(path: Path, data: bytes) -> None:
    """Replace a file that may be a hard link to the whole checkpoint's."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def seal(folder: Path) -> None:
    """A manifest that fits what is there."""
    from twosome import checkpoint, disk

    names = [p for p in files_of(folder) if p.name != checkpoint.MANIFEST]
    listed = {str(p.relative_to(folder)): {"size": p.stat().st_size, "sha256": disk.digest(p)} for p in names}
    rewrite(folder / checkpoint.MANIFEST, json.dumps({"format": checkpoint.FORMAT, "files": listed}).encode())


class Reader:
    """Opens a checkpoint as a resumed run does, into one policy that stays in memory."""

    def __init__(self, run_dir: Path):
        from twosome.methods import build
        from twosome.rollout import Worlds
        from twosome.saved import saved_settings
        from twosome.statistics import Statistics

        cfg = saved_settings(run_dir / "config.yaml")
        self.generators = {name: torch.Generator() for name in ("act", "learn")}
        self.policy, self.learner = build(cfg, self.generators["learn"])
        self.parts = {
            "worlds": Worlds(cfg.env, cfg.policy.prompt, cfg.seed, cfg.num_envs, None, self.policy.view, self.policy.must_fit),
            "stats": Statistics(cfg),
        }

    def open(self, folder: Path) -> None:
        from twosome import checkpoint
        from twosome.saved import saved_settings

        checkpoint.verify(folder)
        saved_settings(folder / "config.yaml", runs_environment=True)
        checkpoint.read_policy(folder, self.policy)
        checkpoint.read_training(folder, self.policy, self.learner, self.generators, self.parts)


def run(n: int, seed: int = 0) -> Count:
    """Damage and forge `n` copies of a real checkpoint."""
    from twosome import checkpoint
    from twosome.types import CheckpointError

    kills.warm_up()
    count = Count("corrupted checkpoints")
    rng = random.Random(seed)
    place = Path(tempfile.mkdtemp(prefix="twosome-corrupt-"))
    canary = place / "canary"
    try:
        run_dir = place / "run"
        overrides = [*kills.BASE, "env=food_preparation", "log.tensorboard=false", "total_steps=192", f"run_dir={run_dir}"]
        if code := kills.finish(kills.start(overrides, place / "log")):
            raise RuntimeError(f"the run ended with {code}: {(place / 'log').read_text()}")
        older, whole = checkpoint.checkpoints(run_dir)[-2:]
        reader = Reader(run_dir)
        reader.open(whole)
        pristine = place / "pristine"
        shutil.copytree(whole, pristine)
        for i in range(n):
            shutil.rmtree(whole)
            shutil.copytree(pristine, whole, copy_function=os.link)
            count.made += 1
            is_damage = rng.random() < 0.6
            if is_damage:
                how = rng.choice(DAMAGE)
                what = how(whole, rng)
            else:
                how, sealed = rng.choice(FORGERIES)
                state = rng.getstate()
                how(whole, rng, canary)
                what = f"{how.__name__} {hash(state):x}"
                if sealed:
                    seal(whole)
            count.note("damaged" if is_damage else "forged")
            started = time.monotonic()
            try:
                reader.open(whole)
            except CheckpointError as error:
                wrong = paragraph(str(error))
            except BaseException as error:
                wrong = f"{type(error).__name__}: {error!r:.300}"
            else:
                wrong = "accepted"
            if wrong is None and time.monotonic() - started > SLOWEST:
                wrong = f"took {time.monotonic() - started:.0f} s"
            if wrong is None and is_damage and checkpoint.newest_good(run_dir)[0] != older:
                wrong = "the checkpoint before it is not used"
            if wrong is not None:
                count.failures.append(f"{i} {how.__name__} {what}: {wrong}")
            if canary.exists():
                count.failures.append(f"{i} {how.__name__} {what}: CODE WAS RUN")
                canary.unlink()
        shutil.rmtree(whole)
        shutil.copytree(pristine, whole)
        reader.open(whole)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return count
