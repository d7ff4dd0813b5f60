"""Search spaces: how an architecture is written, drawn, mutated, numbered and canonicalised.

`CellSpace` is the cell space of NAS-Bench-201 (Dong & Yang, ICLR 2020, arXiv:2001.00326) with the number of nodes and the
operations as parameters: a densely connected directed acyclic graph in which every edge carries one operation and every
node is the sum of its incoming edges. The shipped instance `CELL201` has 4 nodes, 6 edges, 5 operations, 15,625 cells.

The canonical form is ours. NAS-Bench-201's text-based key finds 6,466 unique cells; it leaves equal cells apart because it
concatenates sums as text and does not recognise a node all of whose inputs are zero. `CellSpace.canonical` drops edges
that lie on no path from input to output, drops zero inputs, inlines skip connections and treats sums as multisets:
4,930 classes. What "equal" means, exactly: two cells of one class compute the same function whenever equal operations on
equal inputs have equal weights. A cell that applies the same convolution twice to the same value with two sets of weights
is therefore in the class of the cell that applies it once and adds the result twice (see ARCHITECTURE.md, "One row").
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nasbench.search_space import Architecture as Architecture
from nasbench.search_space import Canonical as Canonical
from nasbench.search_space import SearchSpace as SearchSpace
from nasbench.search_space import SpaceError as SpaceError
from nasbench.search_space import Term as Term

INPUT: Term = (-1, ())


@dataclass(frozen=True)
class CellSpace:
    """All cells with `nodes` nodes whose edges carry one of `operations`.

    Operations named `none` (the constant zero) and `skip_connect` (the identity) have their meaning in the canonical form;
    either may be absent. All other names are opaque.

    Attributes:
        name: what tables, records and the command line call the space.
        nodes: number of nodes, input and output included; at least 2.
        operations: names of the operations, without repetition; their order gives them their numbers.

    Raises:
        SpaceError: fewer than 2 nodes, no operation, a repeated one, or a name that the string form can't carry.

    Example:
        >>> CELL201.size, len(CELL201.classes)
        (15625, 4930)
        >>> CELL201.format((4, 2, 1, 2, 1, 1))
        '|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|'
    """

    name: str
    nodes: int
    operations: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.nodes < 2:
            raise SpaceError(f"nodes is {self.nodes}, must be at least 2 (input and output)")
        if not self.operations or len(set(self.operations)) != len(self.operations):
            raise SpaceError(f"operations must be one or more different names, got {self.operations}")
        for operation in self.operations:
            if not operation or set(operation) & set("|~+") or operation.strip() != operation:
                raise SpaceError(
                    f"operation name {operation!r} can't stand in the string form: no '|', '~', '+', outer spaces"
                )

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs (source, target) in the order of the published string."""
        return tuple((source, target) for target in range(1, self.nodes) for source in range(target))

    @cached_property
    def choices(self) -> tuple[int, ...]:
        """Number of operations, once per edge."""
        return (len(self.operations),) * len(self.edges)

    @cached_property
    def size(self) -> int:
        """Number of architectures: operations ** edges."""
        return int(len(self.operations) ** len(self.edges))

    # Drawing and moving ---------------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw one architecture uniformly from all `size` strings."""
        return tuple(rng.integers(len(self.operations), size=len(self.edges)).tolist())

    def sample_class(self, rng: np.random.Generator) -> Architecture:
        """Draw a canonical class uniformly, then one of its members uniformly.

        Uniform strings favour classes with many members (341 of 15,625 strings of `CELL201` are the constant zero).
        """
        members = self.classes[int(rng.integers(len(self.classes)))]
        return self.architecture(members[int(rng.integers(len(members)))])

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a copy with another operation on one edge; edge and operation are uniform.

        Raises:
            SpaceError: the space has a single operation, so that there is nothing else to put on an edge.
        """
        if len(self.operations) < 2:
            raise SpaceError(f"space {self.name} has one operation: nothing to mutate to")
        move = int(rng.integers(len(architecture) * (len(self.operations) - 1)))
        edge, step = divmod(move, len(self.operations) - 1)
        operation = (architecture[edge] + 1 + step) % len(self.operations)
        return (*architecture[:edge], operation, *architecture[edge + 1 :])

    def neighbours(self, architecture: Architecture) -> list[Architecture]:
        """Return the edges x (operations - 1) architectures that differ on one edge, in edge and operation order."""
        return [
            (*architecture[:edge], operation, *architecture[edge + 1 :])
            for edge, present in enumerate(architecture)
            for operation in range(len(self.operations))
            if operation != present
        ]

    def __iter__(self) -> Iterator[Architecture]:
        """All architectures in index order."""
        return itertools.product(range(len(self.operations)), repeat=len(self.edges))

    # Numbers and strings --------------------------------------------------------------------------------------------

    def check(self, architecture: Sequence[int]) -> Architecture:
        """Return `architecture` as a tuple of Python integers, or say what is wrong with it.

        Raises:
            SpaceError: wrong length, or an operation number outside `range(len(operations))`.
        """
        values = tuple(architecture)
        if len(values) != len(self.edges):
            raise SpaceError(f"architecture {values} has {len(values)} edges, space {self.name} has {len(self.edges)}")
        for edge, value in enumerate(values):
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, np.integer))
                or not 0 <= value < len(self.operations)
            ):
                raise SpaceError(
                    f"architecture {values}: operation {value!r} on edge {edge} is not in 0..{len(self.operations) - 1}"
                )
        return tuple(int(value) for value in values)

    def index(self, architecture: Architecture) -> int:
        """Return the number of an architecture: its operations read as digits, first edge first.

        This is not NAS-Bench-201's own numbering, which is a shuffled list; a table carries that as its row order.
        """
        number = 0
        for operation in architecture:
            number = number * len(self.operations) + operation
        return number

    def architecture(self, index: int) -> Architecture:
        """Return the architecture with this number.

        Raises:
            SpaceError: `index` is outside `range(size)`.
        """
        if not 0 <= index < self.size:
            raise SpaceError(f"index {index} is outside 0..{self.size - 1} of space {self.name}")
        digits = []
        for _ in self.edges:
            index, digit = divmod(index, len(self.operations))
            digits.append(digit)
        return tuple(reversed(digits))

    def format(self, architecture: Architecture) -> str:
        """Return the published string, such as `|nor_conv_3x3~0|+|none~0|skip_connect~1|`."""
        values = iter(architecture)
        return "+".join(
            "|" + "".join(f"{self.operations[next(values)]}~{source}|" for source in range(target))
            for target in range(1, self.nodes)
        )

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a published string.

        Raises:
            SpaceError: the string has another number of nodes or edges, sources out of order, or an unknown operation.
        """
        parts = text.strip().split("+")
        if len(parts) != self.nodes - 1:
            raise SpaceError(
                f"{text!r} has {len(parts) + 1} nodes, space {self.name} has {self.nodes}; example: {self._example}"
            )
        numbers = []
        for target, part in enumerate(parts, start=1):
            tokens = part.split("|")
            if len(tokens) != target + 2 or tokens[0] or tokens[-1]:
                raise SpaceError(
                    f"{text!r}: node {target} must have {target} inputs in '|...|'; example: {self._example}"
                )
            for source, token in enumerate(tokens[1:-1]):
                operation, tilde, number = token.partition("~")
                if not tilde or number != str(source):
                    raise SpaceError(f"{text!r}: input {token!r} of node {target} must end in '~{source}'")
                if operation not in self.operations:
                    raise SpaceError(
                        f"{text!r}: unknown operation {operation!r}, space {self.name} has {list(self.operations)}"
                    )
                numbers.append(self.operations.index(operation))
        return tuple(numbers)

    @property
    def _example(self) -> str:
        return self.format((0,) * len(self.edges))

    # Equality of function -------------------------------------------------------------------------------------------

    @cached_property
    def _none(self) -> int:
        return self.operations.index("none") if "none" in self.operations else -1

    @cached_property
    def _skip(self) -> int:
        return self.operations.index("skip_connect") if "skip_connect" in self.operations else -1

    def canonical(self, architecture: Architecture) -> Canonical:
        """Return the output of the cell as a sorted multiset of terms: the canonical form (decision 1 of the design).

        Equal values mean equal functions, given equal weights for equal terms. Hashable, and stable between versions.
        """
        values: list[Canonical] = [(INPUT,)]
        edge = 0
        for target in range(1, self.nodes):
            terms: list[Term] = []
            for source in range(target):
                operation = architecture[edge]
                edge += 1
                if operation == self._none or not values[source]:
                    continue
                if operation == self._skip:
                    terms.extend(values[source])
                else:
                    terms.append((operation, values[source]))
            values.append(tuple(sorted(terms)))
        return values[-1]

    @cached_property
    def class_of(self) -> NDArray[np.int32]:
        """Class number of every index, shape (size,); classes are numbered by their smallest member."""
        numbers: dict[Canonical, int] = {}
        found = [numbers.setdefault(self.canonical(architecture), len(numbers)) for architecture in self]
        return np.array(found, dtype=np.int32)

    @cached_property
    def classes(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the members of every class, ascending; the first one represents the class."""
        members: list[list[int]] = [[] for _ in range(int(self.class_of.max()) + 1)]
        for index, number in enumerate(self.class_of.tolist()):
            members[number].append(index)
        return tuple(tuple(group) for group in members)

    # Encodings for surrogate models ---------------------------------------------------------------------------------

    def one_hot(self, architectures: Sequence[Architecture]) -> NDArray[np.float64]:
        """Encode as indicators, shape (len(architectures), edges * operations), edge by edge."""
        numbers = np.asarray(architectures, dtype=np.int64).reshape(len(architectures), len(self.edges))
        return np.eye(len(self.operations))[numbers].reshape(len(numbers), -1)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Every path from input to output as the edges on it, short paths first."""
        inner = range(1, self.nodes - 1)
        number = {pair: edge for edge, pair in enumerate(self.edges)}
        stops = [nodes for length in range(self.nodes - 1) for nodes in itertools.combinations(inner, length)]
        return tuple(tuple(number[pair] for pair in itertools.pairwise((0, *nodes, self.nodes - 1))) for nodes in stops)

    def path_encoding(self, architectures: Sequence[Architecture]) -> NDArray[np.float64]:
        """Encode as the set of operation sequences met on the paths from input to output (White et al. 2021, BANANAS).

        One bit for each possible sequence of 1, 2, ... operations, `none` counted as any other operation as the paper's
        code does; 5 + 25 + 125 = 155 bits for `CELL201`.

        Returns:
            Shape (len(architectures), sum of operations ** length), values 0 and 1.
        """
        numbers = np.asarray(architectures, dtype=np.int64).reshape(len(architectures), len(self.edges))
        count = len(self.operations)
        offsets = np.concatenate([[0], np.cumsum([count**length for length in range(1, self.nodes)])])
        encoding = np.zeros((len(numbers), int(offsets[-1])))
        for path in self.paths:
            code = numbers[:, list(path)] @ (count ** np.arange(len(path) - 1, -1, -1))
            encoding[np.arange(len(numbers)), offsets[len(path) - 1] + code] = 1.0
        return encoding


@dataclass(frozen=True)
class Cell:
    """A canonical cell as a graph that a network can be built from: each distinct term is one operation with its own weights.

    Attributes:
        operations: (operation number, source node) of each distinct term, sources before their users.
        nodes: for each node after the input, what it sums: (index into `operations`, or -1 for the cell's input) and how
            many times. Node 0 is the input; the last node is the output; an output that sums nothing is the constant zero.
    """

    operations: tuple[tuple[int, int], ...]
    nodes: tuple[tuple[tuple[int, int], ...], ...]


def cell_graph(canonical: Canonical) -> Cell:
    """Turn a canonical form into the graph of the network that is trained for its class.

    Example:
        >>> cell_graph(CELL201.canonical(CELL201.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|")))
        Cell(operations=((3, 0), (4, 1)), nodes=(((0, 1),), ((-1, 1), (1, 1))))
    """
    node_of: dict[Canonical, int] = {(INPUT,): 0}
    operation_of: dict[Term, int] = {}
    nodes: list[tuple[tuple[int, int], ...]] = []
    operations: list[tuple[int, int]] = []

    def number(terms: Canonical, *, output: bool = False) -> int:
        if terms in node_of and not output:
            return node_of[terms]
        for term in terms:
            if term != INPUT and term not in operation_of:
                source = number(term[1])
                operation_of[term] = len(operations)
                operations.append((term[0], source))
        counts: dict[int, int] = {}
        for term in terms:
            key = -1 if term == INPUT else operation_of[term]
            counts[key] = counts.get(key, 0) + 1
        nodes.append(tuple(counts.items()))
        node_of[terms] = len(nodes)
        return len(nodes)

    number(canonical, output=True)
    return Cell(tuple(operations), tuple(nodes))


CELL201 = CellSpace(
    "cell201", nodes=4, operations=("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
)
"""NAS-Bench-201's space: 15,625 cells, 4,930 classes. Operations stand in the published order."""

SPACES: dict[str, CellSpace] = {
    space.name: space
    for space in (
        CELL201,
        CellSpace("cell201-3node", 3, CELL201.operations),  # 125 cells, 60 classes
        CellSpace("cell201-3op", 4, ("none", "skip_connect", "nor_conv_3x3")),  # 729 cells, 78 classes
        CellSpace(
            "cell201-4op", 4, ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
        ),  # 4,096 cells, 871 classes
    )
}
"""The named spaces that a recipe or the command line may ask for."""


def space_by_name(name: str) -> CellSpace:
    """Return a space by name.

    Raises:
        SpaceError: no space of this name; the message lists those there are.
    """
    if name not in SPACES:
        raise SpaceError(f"unknown search space {name!r}; there are {sorted(SPACES)}")
    return SPACES[name]
