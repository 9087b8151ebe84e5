"""Simulated movies with known truth."""
