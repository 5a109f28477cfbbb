"""Thinking ahead: Monte Carlo tree search over positions, priors and values. Knows no language and no environment."""
