"""Optimizers: a file `NAME.py` with a function `NAME(parameters, total_steps, ...)` is an optimizer."""
