"""Exercises on truncated backpropagation: what a window keeps, and a program in chunks to repair."""
