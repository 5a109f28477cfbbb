"""An experience memory: what every action of a state has led to, learnt from episodes. Knows no language model."""
