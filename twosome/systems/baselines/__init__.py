"""What a language model must beat: a small network, a table, the frozen model, chance."""
