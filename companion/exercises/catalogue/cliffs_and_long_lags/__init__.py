"""Exercises on cliffs and long lags: what a task with a long lag asks for, and what knowing nothing of it costs."""
