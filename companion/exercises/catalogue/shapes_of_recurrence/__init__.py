"""Exercises on shapes of recurrence: Jordan's step, the weights of a stack, and two layers walked through time."""
