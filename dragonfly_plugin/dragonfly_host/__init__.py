"""The adapter of Dragonfly: its objects to selections, results to its objects. Runs in Dragonfly's Python."""
