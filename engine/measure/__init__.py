"""Masks and frames to instances, tracks, properties and spectra."""
