"""Series over time to the frames from which on they left their quiet course."""
