"""Text -> log-probabilities: models, tokens, tries, scorers. Knows no reinforcement learning."""
