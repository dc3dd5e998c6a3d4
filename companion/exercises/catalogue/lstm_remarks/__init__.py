"""Exercises on the remarks about the LSTM: how far the direct path reaches, by the bias and by the gates."""
