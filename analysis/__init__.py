"""From run records to scores, intervals, tables and figures. Never imports torch, never the search code."""
