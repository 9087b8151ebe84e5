"""What the study of area against dose is made of."""
