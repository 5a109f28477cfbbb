"""Observation -> decision -> what to do: prompts, caches, the policy of a language model."""
