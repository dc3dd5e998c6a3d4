"""Exercises on the worked backward pass: once with a pencil, once for a whole network."""
