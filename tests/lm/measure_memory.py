"""Run as a script by test_footprint: acts and learns at the full token budget with a policy of the given settings.

Prints the estimate and the process's peak resident memory as JSON.
"""

import json
import random
import resource
import sys

import torch

from twosome.config.compose import compose
from twosome.lm.footprint import footprint
from twosome.systems.build import build_policy
from twosome.types import Decision


def main(overrides):
    torch.set_num_threads(1)
    cfg = compose(["model=hf", "model.threads=1", "policy.scorer=trie", *overrides])
    estimated = footprint(cfg)
    policy = build_policy(cfg)
    rng = random.Random(0)

    def words(n):
        return " ".join(f"w{rng.randrange(4, 8000)}" for _ in range(n))

    menu = tuple(words(6) for _ in range(10))
    some = [Decision.plain(words(60), menu) for _ in range(cfg.policy.token_budget // 110 + 1)]
    fed = []
    layers = policy.lm.get_base_model().base_model
    layers.register_forward_pre_hook(lambda m, args, kwargs: fed.append(kwargs["input_ids"].numel()), with_kwargs=True)
    optimizer = torch.optim.AdamW(policy.actor_parameters())
    policy.log_probs(some)
    policy.values([d.state for d in some])
    for _ in range(2):
        for _, log_probs in policy.evaluate_actions(some):
            log_probs[:, 0].sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"estimated": estimated.need, "peak": peak, "fed": max(fed), "parts": estimated.parts}))


if __name__ == "__main__":
    main(sys.argv[1:])
