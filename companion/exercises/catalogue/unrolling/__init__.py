"""Exercises on unrolling: shapes and numbers of a forward pass, softmax, one step, and the walk over a sequence."""
