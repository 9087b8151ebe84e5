"""Simulated truth: atoms, exit waves, micrographs, labels and movies."""
