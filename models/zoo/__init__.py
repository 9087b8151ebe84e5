"""Trained models, each in its folder, with the recipe that made it beside it."""
