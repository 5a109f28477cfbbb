"""One readable recipe per paper: settings -> policy and learner; and a policy from wherever it lies."""
