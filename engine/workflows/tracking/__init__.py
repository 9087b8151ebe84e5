"""What tracking a movie is made of."""
