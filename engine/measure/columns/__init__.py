"""Atomic columns: found, fitted to the counts, linked over time, held against a lattice."""
