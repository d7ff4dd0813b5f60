"""Protocols: which method with which table, budget and seeds. Values only; the folder is read by file name."""
