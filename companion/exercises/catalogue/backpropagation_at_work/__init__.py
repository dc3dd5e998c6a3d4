"""Exercises on backpropagation at work: what each step contributes, a gradient check, and a backward pass to repair."""
