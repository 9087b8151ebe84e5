"""A particle's lattice in Fourier space: its noise, its reflections, and what they tell of axes and turns."""
