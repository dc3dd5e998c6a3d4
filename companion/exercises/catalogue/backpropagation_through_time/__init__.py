"""Exercises on backpropagation through time: the gradients of an Elman network, one recursion and a few sums."""
