"""NAS-Bench-Live: a reproducible benchmark suite for neural architecture search and learned optimizers.

    >>> import nasbench
    >>> nasbench.CELL201.size
    15625

Importing this package loads numpy and nothing heavier; tables, training and analysis are imported from their modules.
"""

from nasbench.query import Benchmark, Measure, Observation, Query, QueryError, Search, Strategy, Submit
from nasbench.space import CELL201, SPACES, Architecture, CellSpace, SearchSpace, SpaceError, space_by_name

__version__ = "0.1.0"

__all__ = [
    "CELL201",
    "SPACES",
    "Architecture",
    "Benchmark",
    "CellSpace",
    "Measure",
    "Observation",
    "Query",
    "QueryError",
    "Search",
    "SearchSpace",
    "SpaceError",
    "Strategy",
    "Submit",
    "__version__",
    "space_by_name",
]
