"""Exercises on what the gates buy: biases for a known lag, and what the best answer without memory costs."""
