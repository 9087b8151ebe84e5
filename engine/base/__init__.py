"""The currencies every room trades in: errors, units, stacks, blocks of frames and column tables."""
