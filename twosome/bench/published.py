"""The baseline: what the published scheme computes, written from its description in the paper (arXiv 2401.14151).

Every action is a full sequence of its own, prompt and all, padded to the longest of its minibatch, with logits at every
position; the critic is one more pass over every prompt. Nothing is kept between steps. The value is read at the last
real token; in everything that a decision costs we follow the scheme, with one saving: menus are encoded once.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from twosome.config.schema import PPOSettings
from twosome.lm import normalize, tokens
from twosome.lm.adapter import adapter_off
from twosome.lm.value_head import ValueHead
from twosome.rl import losses
from twosome.rl.advantages import gae
from twosome.types import Decision, EncodedAction, LanguageModel, Rollout, Tokenizer


def decoder(lm: LanguageModel) -> nn.Module:
    """The transformer without its LM head."""
    causal = lm.get_base_model() if hasattr(lm, "get_base_model") else lm
    return getattr(causal, causal.base_model_prefix)


class Published:
    """One padded sequence per action, a critic pass per state, full logits, no reuse. `settings`: `conf/ppo`."""

    def __init__(
        self,
        lm: LanguageModel,
        tokenizer: Tokenizer,
        value_head: ValueHead,
        settings: PPOSettings,
        normalization: str = "word",
    ):
        self.lm, self.value_head, self.settings, self.normalization = lm, value_head, settings, normalization
        self._menu, self._prompt = tokens.Encoder(tokenizer), partial(tokens.encode_prompt, tokenizer)
        self.adapter = [p for p in lm.parameters() if p.requires_grad]
        s = settings
        self.actor = torch.optim.AdamW(self.adapter, s.actor.learning_rate, eps=s.adam_eps)
        self.critic = torch.optim.Adam(value_head.parameters(), s.critic.learning_rate, eps=s.adam_eps)
        self._values = torch.zeros(0)  # of the rollout acted on last, [T, B]

    # One pass ---------------------------------------------------------------------------------------------------------

    def forward(self, decisions: list[Decision]) -> Tensor:
        """Action log-probabilities [N, M] padded with -inf, with gradient where it is enabled."""
        menus: list[list[EncodedAction]] = [self._menu(d.prompt, d.menu) for d in decisions]
        flat = [s for menu in menus for s in menu]
        ids, is_real = self._pad([s.ids for s in flat])
        logits = self.lm(input_ids=ids, attention_mask=is_real, use_cache=False).logits
        log_probs = logits[:, :-1].float().log_softmax(dim=-1).gather(2, ids[:, 1:, None]).squeeze(2)  # [S, L-1]
        picked = torch.cat([row[s.start - 1 : len(s.ids) - 1] for row, s in zip(log_probs, flat, strict=True)])
        return normalize.menu_log_probs(picked, menus, self.normalization)

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        """Acting: one batch for all the worlds."""
        with torch.no_grad():
            rows = self.forward(decisions).cpu()
        return [row[: len(d.menu)] for row, d in zip(rows, decisions, strict=True)]

    def values(self, states: list[str]) -> Tensor:
        """The critic's own pass: the backbone without its adapter, read at every prompt's last token."""
        return self.value_head(self._features(states))

    def _features(self, states: list[str]) -> Tensor:
        paths = [self._prompt(s) for s in states]
        ids, is_real = self._pad(paths)
        with torch.no_grad(), adapter_off(self.lm):
            hidden = decoder(self.lm)(input_ids=ids, attention_mask=is_real, use_cache=False).last_hidden_state
        last = torch.tensor([len(p) - 1 for p in paths], device=ids.device)
        return hidden[torch.arange(len(paths), device=ids.device), last].float()

    def _pad(self, paths: list[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
        """ids and is_real [S, L], padded right."""
        device = self.lm.get_input_embeddings().weight.device
        padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(p) for p in paths], batch_first=True).to(device)
        lengths = torch.tensor([len(p) for p in paths], device=device)
        return padded, (torch.arange(padded.shape[1], device=device) < lengths[:, None]).long()

    # A whole update ---------------------------------------------------------------------------------------------------

    def act(self, rollout: Rollout) -> Tensor:
        """At every step the policy and the critic; returns the log-probabilities of the actions taken, [T, B]."""
        taken = torch.zeros_like(rollout.rewards)
        self._values = torch.zeros_like(rollout.rewards)
        for t, row in enumerate(rollout.decisions):
            for b, log_probs in enumerate(self.log_probs(row)):
                taken[t, b] = log_probs[rollout.actions[t, b]]
            with torch.no_grad():
                self._values[t] = self.values([d.state for d in row]).cpu()
        return taken

    def learn(self, rollout: Rollout) -> None:
        """Value minibatches, then policy minibatches with accumulated gradients.

        The KL guard is left out: it never ends early.
        """
        s = self.settings
        with torch.no_grad():
            last = self.values(rollout.next_states[-1]).cpu()
        following = torch.cat([self._values[1:], last[None]])
        is_end = rollout.terminated | rollout.truncated  # a timeout is treated as terminal
        flags = (is_end, rollout.truncated)
        advantages, targets = gae(rollout.rewards, self._values, following, rollout.discounts, *flags, s.gae_lambda)
        decisions = [d for row in rollout.decisions for d in row]
        samples = (rollout.actions.flatten(), rollout.log_probs.flatten(), advantages.flatten())
        device = self.lm.get_input_embeddings().weight.device
        old, flat_targets = self._values.flatten().to(device), targets.flatten().to(device)
        for _ in range(s.critic.epochs):
            for index in torch.randperm(len(decisions)).split(s.critic.minibatch):
                values = self.values([decisions[i].state for i in index])
                loss = losses.value_loss(values, old[index], flat_targets[index], s.value_clip).mean()
                self.critic.zero_grad(set_to_none=True)
                (s.value_coefficient * loss).backward()
                self._step(self.critic, list(self.value_head.parameters()))
        for _ in range(s.actor.epochs):
            order = torch.randperm(len(decisions))
            for group in order.split(s.actor.minibatch * s.accumulation):
                self.gradient(decisions, group, *samples)
                self._step(self.actor, self.adapter)

    def gradient(
        self, decisions: list[Decision], group: Tensor, actions: Tensor, old: Tensor, advantages: Tensor
    ) -> None:
        """Add up the gradient of one optimiser step over its minibatches."""
        s = self.settings
        self.actor.zero_grad(set_to_none=True)
        for index in group.split(s.actor.minibatch):
            log_probs = self.forward([decisions[i] for i in index])
            device = log_probs.device
            chosen = log_probs.gather(1, actions[index, None].to(device)).squeeze(1)
            scaled = losses.normalize(advantages[index]).to(device)
            surrogate = losses.clipped_surrogate(chosen - old[index].to(device), scaled, s.clip).sum()
            ((surrogate - s.entropy * losses.entropy(log_probs).sum()) / len(group)).backward()

    def _step(self, optimizer: torch.optim.Optimizer, parameters: list[Tensor]) -> None:
        torch.nn.utils.clip_grad_norm_(parameters, self.settings.max_gradient_norm)
        optimizer.step()
