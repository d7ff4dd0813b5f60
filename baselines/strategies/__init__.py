"""Search strategies: a file `NAME.py` with a generator function `NAME(space, rng, ...)` is a strategy."""
