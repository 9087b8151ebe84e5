"""Training on simulated truth, inference and scores."""
