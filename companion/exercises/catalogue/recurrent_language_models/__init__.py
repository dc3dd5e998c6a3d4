"""Exercises on recurrent language models: the loss of the next token, and probabilities at a temperature."""
