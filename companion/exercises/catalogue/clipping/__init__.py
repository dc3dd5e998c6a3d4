"""Exercises on clipping: one norm for all gradients, and what comes before what in a step of training."""
