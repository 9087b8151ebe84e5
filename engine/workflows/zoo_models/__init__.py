"""How the models of the zoo are made and judged."""
