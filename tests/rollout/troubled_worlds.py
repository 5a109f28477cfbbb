"""Worlds that do in a process of their own what would harm the one that trains. Light, since processes import it."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import gymnasium
import numpy as np


class Troubled(gymnasium.Env):
    """A corridor of three steps; in one of three episodes, by the seed, the second does `how`.

    `folder`: where it notes its processes, and where worlds meet.
    """

    def __init__(self, how="nothing", folder=None):
        if how == "import":
            import no_such_module  # noqa: F401
        if how == "wrong":
            raise ValueError("no such corridor")
        self.how, self.folder = how, folder and Path(folder)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.observation_space = gymnasium.spaces.Dict({"vector": gymnasium.spaces.Box(0, 9, (1,))})

    def reset(self, *, seed=None, options=None):
        self.now, self.troubles = 0, int(np.random.default_rng(seed).integers(3)) == 0
        return self.shown()

    def step(self, action):
        self.now += 1
        if self.how == "meets":
            self.meet()
        elif self.troubles and self.now == 2:
            self.trouble()
        observation, info = self.shown()
        return observation, float(action), self.now == 3, False, info

    def shown(self):
        info = {"actions": ("stay", "go"), "success": self.now == 3, "lock": threading.Lock()}  # nobody can send that
        return {"scene": f"Door {self.now}.", "goal": "Go.", "vector": np.array([self.now], np.float32)}, info

    def snapshot(self):
        if self.how == "unsent":
            return lambda: None
        return (self.now, self.troubles)

    def restore(self, snapshot):
        self.now, self.troubles = snapshot
        return self.shown()

    def close(self):
        if self.how == "closing":
            raise RuntimeError("the door is stuck")

    def meet(self):
        """Wait for the other world of this step, which must be in it at the same time."""
        mine = self.folder / f"{os.getpid()}-{self.now}"
        mine.touch()
        while len(list(self.folder.glob(f"*-{self.now}"))) < 2:
            time.sleep(0.005)

    def trouble(self):
        """What no world should do."""
        if self.how == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "raises":
            self.fall()
        if self.how == "exits":
            sys.exit("enough")
        if self.how == "missing":
            raise NotImplementedError("no way on")
        if self.how == "interrupts":
            raise KeyboardInterrupt
        if self.how == "hangs":
            helper = subprocess.Popen(["sleep", "1000"])
            if self.folder is not None:
                (self.folder / "pids.tmp").write_text(f"{os.getpid()} {helper.pid}")
                (self.folder / "pids.tmp").rename(self.folder / "pids")
            ctypes.PyDLL(None).sleep(1000)  # holds the interpreter, so that no signal handler of Python runs

    def fall(self):
        raise ValueError("the floor gave way")


gymnasium.register("Troubled-v0", Troubled)
gymnasium.register("Limited-v0", Troubled, max_episode_steps=2)
