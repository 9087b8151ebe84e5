"""Parameters and recipes of simulated systems, images and movies."""
