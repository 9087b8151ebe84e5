"""What running a model over a movie is made of."""
