"""Exercises on the LSTM's variants and the GRU: peepholes, coupled gates, both places of the reset, and weights."""
