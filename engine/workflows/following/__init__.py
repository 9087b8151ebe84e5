"""Steps of `peaks`: the reflections of tracked particles, frame by frame and over time."""
