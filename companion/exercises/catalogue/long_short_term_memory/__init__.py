"""Exercises on the LSTM forwards: its weights counted, one step from stacked weights, and a whole sequence."""
