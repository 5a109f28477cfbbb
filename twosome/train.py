"""`twosome.train(env=..., model=..., **settings)` trains and returns the run; `python -m twosome.train` is the command.

    run = twosome.train(env="tomato_salad", total_steps=20_000, seed=1)
    run.policy, run.metrics, run.plot()

The module itself can be called, since it bears the name of its function. The algorithm is in `twosome.training.loop`.
"""

import inspect
import sys
from types import ModuleType
from typing import Any

from twosome.cli.train import main
from twosome.training.api import TrainedRun, train

__all__ = ["TrainedRun", "main", "train"]
__signature__ = inspect.signature(train)


class _Callable(ModuleType):
    def __call__(self, *arguments: Any, **settings: Any) -> TrainedRun:
        return train(*arguments, **settings)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    main()
