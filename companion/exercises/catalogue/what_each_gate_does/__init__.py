"""Exercises on what gates are for: an LSTM with one gate held still, and weights by hand that store a marked bit."""
