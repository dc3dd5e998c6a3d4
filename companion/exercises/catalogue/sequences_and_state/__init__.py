"""Exercises on sequences and state: the shapes of a state-space model, one step of it, and a run over a sequence."""
