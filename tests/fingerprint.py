"""What a run computed, as digests that two versions of the code can be compared by. `python tests/fingerprint.py RUN
[RUN ...]`.

Per run: one SHA-256 over the name, dtype, shape and bytes of every adapter and value-head tensor of the newest
checkpoint, and one over every line of `metrics.jsonl` without the times that no two runs share.
"""

import hashlib
import json
import sys
from pathlib import Path

from safetensors.torch import load_file

TIMES = ("speed/",)  # beginnings of the keys that tell the clock


def tensors(run: Path) -> dict[str, str]:
    """The digest of every tensor of the newest checkpoint's policy."""
    newest = max((run / "checkpoints").glob("step-*"), key=lambda p: int(p.name.removeprefix("step-")))
    found = {}
    for path in sorted(newest.rglob("*.safetensors")):
        if path.name != "training.safetensors":
            for name, tensor in sorted(load_file(path).items()):
                data = f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode() + tensor.contiguous().numpy().tobytes()
                found[f"{path.stem}:{name}"] = hashlib.sha256(data).hexdigest()
    return found


def metrics(run: Path) -> list[str]:
    """The digest of every line of the metrics."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    kept = [{k: v for k, v in json.loads(line).items() if not k.startswith(TIMES)} for line in lines]
    return [hashlib.sha256(json.dumps(k, sort_keys=True).encode()).hexdigest() for k in kept]


def fingerprint(run: Path) -> dict[str, str | int]:
    """Both digests of a run, and how many tensors and lines they cover."""
    of_tensors, of_lines = tensors(run), metrics(run)
    return {
        "tensors": len(of_tensors),
        "tensors_sha256": hashlib.sha256(json.dumps(of_tensors, sort_keys=True).encode()).hexdigest(),
        "lines": len(of_lines),
        "lines_sha256": hashlib.sha256(json.dumps(of_lines).encode()).hexdigest(),
    }


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        f = fingerprint(Path(argument))
        print(f"{argument}: {f['tensors']} tensors {f['tensors_sha256']}  {f['lines']} lines {f['lines_sha256']}")
