"""Exercises on vanishing and exploding gradients: one factor a step, as a matrix, as a length and as a number."""
