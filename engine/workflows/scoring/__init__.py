"""What judging a model on a test set is made of."""
