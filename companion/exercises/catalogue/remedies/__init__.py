"""Exercises on remedies: a first matrix that keeps the gradient's length, and a connection that shortens its way."""
