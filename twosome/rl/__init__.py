"""What is learnt from a rollout: advantages, losses, PPO, Q-learning. Knows no language and no environment."""
