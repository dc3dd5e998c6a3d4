"""Exercises on real-time recurrent learning: sensitivities carried forwards, for one unit and for a matrix."""
