"""Exercises on the LSTM backwards: one step derived, the walk through time, and a given pass with a fault in it."""
