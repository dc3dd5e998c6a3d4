"""Exercises on bidirectional layers: two walks against each other, and where each of them ends."""
