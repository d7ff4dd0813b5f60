"""Methods under comparison: one file per method, found by file name (`nasbench/load.py`)."""
