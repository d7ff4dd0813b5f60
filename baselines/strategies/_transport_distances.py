"""Transport distances between many cells (`_transport.py`), each part of them computed once.

A distance is a sum over the kinds of layers, and few different groups of one kind occur: NAS-Bench-201's 4,930 classes have 1,818
groups of convolutions and 182 of poolings. `TransportTables` keeps the least costs between groups for as long as a process
lives, `TransportDistances` the distances of one run, from every cell that it has met to those that it has observed. Both hold
values of pure functions, so that a run gets the same distances whatever ran before it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nasbench.space import Canonical, CellSpace

from ._transport import LENGTHS, UNMATCHED, cell_layers, kind_of, label_cost, least_assignment, mass_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kind = TypeVar("Kind", bound=np.generic)

MOST_GROUPS = 2048  # of one kind, that a process keeps from run to run: 128 MiB of costs for four weights
LEAST_ROOM = 64  # rows or columns that a table begins with
ENDS = ("input", "output")


def transport_tables(space: CellSpace, structure: tuple[float, ...]) -> TransportTables:
    """Return the tables that all runs of this process share; new ones when these have grown too large."""
    tables = _shared_tables(space, structure)
    if tables.largest > MOST_GROUPS:
        _shared_tables.cache_clear()
        tables = _shared_tables(space, structure)
    return tables


@functools.lru_cache(maxsize=2)
def _shared_tables(space: CellSpace, structure: tuple[float, ...]) -> TransportTables:
    return TransportTables(space, structure)


class GroupCosts:
    """Least costs of carrying groups of layers of one kind to each other, for units of mass.

    A signature is what a layer's costs depend on, label and path lengths; a group is a sequence of signatures.
    """

    def __init__(self, structure: Floats) -> None:
        """Take the weights nu of structural costs, shape (nu,)."""
        self._structure = structure
        self._signatures: dict[tuple[str, bytes], int] = {}  # from 1; 0 is the void that an unmatched layer goes to
        self._labels = ["void"]
        self._lengths = np.zeros((1, 18))  # (signatures, lengths)
        self._costs = np.zeros((1, 1, len(structure)))  # (signatures, signatures, nu), at most 2 UNMATCHED
        self._groups: dict[tuple[int, ...], int] = {}
        self._members = np.zeros((0, 0), dtype=np.int64)  # (groups, layers): signatures, then void
        self._sizes = np.zeros(0, dtype=np.int64)
        self._table = np.zeros((0, 0, len(structure)))  # (groups, groups, nu), from row to column
        self._known = np.zeros((0, 0, 1), dtype=np.bool_)

    def __len__(self) -> int:
        """Number of groups."""
        return len(self._groups)

    def add(self, groups: Sequence[Sequence[tuple[str, Floats]]]) -> list[int]:
        """Return the numbers of groups, each given as the labels and path lengths (18,) of its layers."""
        before, lengths = len(self._labels), []
        numbers = []
        for group in groups:
            members = []
            for label, row in group:
                key = (label, row.tobytes())
                if key not in self._signatures:
                    self._signatures[key] = len(self._labels)
                    self._labels.append(label)
                    lengths.append(row)
                members.append(self._signatures[key])
            numbers.append(self._groups.setdefault(tuple(members), len(self._groups)))
        if lengths:
            self._lengths = np.concatenate([self._lengths, np.array(lengths)])
            self._extend_costs(before)
        if len(self._groups) > len(self._sizes):
            self._extend_groups()
        return numbers

    def _extend_costs(self, before: int) -> None:
        """Compute costs from the signatures that follow the first `before` to all."""
        labels = sorted(set(self._labels))
        place = {label: number for number, label in enumerate(labels)}
        between = np.array([[label_cost(left, right) for right in labels] for left in labels])
        numbers = np.array([place[label] for label in self._labels])
        total = len(numbers)
        structural = np.abs(self._lengths[before:, None, :] - self._lengths[None, :, :]).sum(axis=2) / LENGTHS
        new = between[numbers[before:, None], numbers][..., None] + structural[..., None] * self._structure
        new = np.minimum(new, 2.0 * UNMATCHED)  # two units without a match are never worse
        new[:, 0] = UNMATCHED
        self._costs = grown(self._costs, total, total)
        self._costs[before:total, :total] = new
        self._costs[:total, before:total] = new.swapaxes(0, 1)

    def _extend_groups(self) -> None:
        """Enter the groups that are new, and make room for their costs."""
        new = list(self._groups)[len(self._sizes) :]
        sizes = np.array([len(group) for group in new], dtype=np.int64)
        wider = int(sizes.max()) - self._members.shape[1]
        members = np.pad(self._members, ((0, len(new)), (0, max(wider, 0))))
        for place, group in enumerate(new, start=len(self._sizes)):
            members[place, : len(group)] = group
        self._members, self._sizes = members, np.concatenate([self._sizes, sizes])
        self._table = grown(self._table, len(members), len(members))
        self._known = grown(self._known, len(members), len(members))

    def between(self, left: Ints, right: Ints) -> Floats:
        """Return the least costs from groups to groups, pair by pair, shape (pairs, nu); what is missing is computed."""
        room = self._table.shape[1]
        flat = left * room + right  # one index for two is half the time
        costs = np.take(self._table.reshape(room * room, -1), flat, axis=0)
        # A zero says that groups are equal or not compared yet.
        missing = flat[(costs[:, 0] == 0.0) & (left != right)]
        if len(missing):
            missing = missing[~self._known.reshape(-1)[missing]]
        if len(missing):
            rows, columns = np.divmod(np.unique(missing) if len(missing) > 50 else missing, room)
            size = int(max(self._sizes[rows].max(), self._sizes[columns].max()))
            if size:
                mine, theirs = self._members[rows, :size], self._members[columns, :size]
                layers = self._costs[mine.T[:, None], theirs.T[None]]  # (size, size, pairs, nu)
                self._table[rows, columns] = least_assignment(layers)
            self._known[rows, columns] = True
            costs = np.take(self._table.reshape(room * room, -1), flat, axis=0)
        return costs


class TransportTables:
    """Cells of one space by number, and the costs between their groups of layers."""

    def __init__(self, space: CellSpace, structure: Sequence[float]) -> None:
        """Take the space and the weights nu of structural costs, one distance for each."""
        self.structure = tuple(structure)
        self._space = space
        self._numbers: dict[Canonical, int] = {}
        kinds = {kind_of(operation) for operation in space.operations if operation not in ("none", "skip_connect")}
        self._kinds = (*ENDS, *sorted(kinds))
        self._costs = {kind: GroupCosts(np.array(structure)) for kind in self._kinds}
        self._groups = np.zeros((0, len(self._kinds)), dtype=np.int64)  # (cells, kinds)
        self._end_masses = np.zeros(0)
        self.totals = np.zeros(0)

    @property
    def largest(self) -> int:
        """Number of groups of the kind that has most."""
        return max(map(len, self._costs.values()))

    def add(self, canonicals: Sequence[Canonical]) -> Ints:
        """Return the numbers of classes, new ones for new classes."""
        fresh = [form for form in dict.fromkeys(canonicals) if form not in self._numbers]
        if fresh:
            self._numbers.update(zip(fresh, range(len(self._numbers), len(self._numbers) + len(fresh)), strict=True))
            cells = [cell_layers(self._space, form) for form in fresh]
            groups = []
            for kind in self._kinds:
                members = [
                    [
                        (label, row)
                        for label, its, row in zip(cell.labels, cell.kinds, cell.lengths, strict=True)
                        if its == kind
                    ]
                    for cell in cells
                ]
                groups.append(self._costs[kind].add(members))
            self._groups = np.concatenate([self._groups, np.array(groups).T])
            self._end_masses = np.append(self._end_masses, [cell.masses[0] for cell in cells])
            self.totals = np.append(self.totals, [cell.masses.sum() for cell in cells])
        return np.array([self._numbers[form] for form in canonicals], dtype=np.int64)

    def between(self, left: Ints, right: Ints) -> Floats:
        """Return the distances of pairs of cells, shape (len(left), nu)."""
        mass, other = self._end_masses[left], self._end_masses[right]
        costs = [
            self._costs[kind].between(self._groups[left, place], self._groups[right, place])
            for place, kind in enumerate(self._kinds)
        ]
        ends = costs[0] + costs[1]
        total = ends * np.minimum(mass, other)[:, None] + 2.0 * UNMATCHED * np.abs(mass - other)[:, None]
        for kind, cost in zip(self._kinds[2:], costs[2:], strict=True):
            total += mass_of(kind) * cost
        return np.asarray(total)


class TransportDistances:
    """Distances from cells of one space to those observed so far in a run.

    A cell is known by its number in the run, given by `add`. `observe` appends a column; `rows` fills in what is missing.
    """

    def __init__(self, tables: TransportTables) -> None:
        """Take the tables of the space."""
        self._tables = tables
        self._numbers: dict[Canonical, int] = {}
        self._shared = np.zeros(0, dtype=np.int64)  # (cells,), numbers in the tables
        self.totals = np.zeros(0)
        self.observed: list[int] = []
        self._table = np.zeros((0, 0, len(tables.structure)))  # (cells, observations, nu)
        self._filled = np.zeros(0, dtype=np.int64)

    def add(self, canonicals: Sequence[Canonical]) -> Ints:
        """Return the numbers of classes, new ones for new classes."""
        fresh = [form for form in dict.fromkeys(canonicals) if form not in self._numbers]
        if fresh:
            self._numbers.update(zip(fresh, range(len(self._numbers), len(self._numbers) + len(fresh)), strict=True))
            self._shared = np.concatenate([self._shared, self._tables.add(fresh)])
            self.totals = self._tables.totals[self._shared]
            self._filled = np.append(self._filled, np.zeros(len(fresh), dtype=np.int64))
            self._table = grown(self._table, len(self._filled), len(self.observed))
        return np.array([self._numbers[form] for form in canonicals], dtype=np.int64)

    def observe(self, number: int) -> None:
        """Append a column: the distances to this cell."""
        self.observed.append(number)
        self._table = grown(self._table, len(self._filled), len(self.observed))

    def rows(self, numbers: Ints) -> Floats:
        """Return distances to the observed cells, in the order of observation, shape (len(numbers), observed, nu)."""
        wanted = np.unique(numbers)
        missing = len(self.observed) - self._filled[wanted]
        if missing.any():
            left = np.repeat(wanted, missing)
            column = np.arange(len(left)) - np.repeat(np.cumsum(missing), missing) + len(self.observed)
            right = np.array(self.observed)[column]
            self._table[left, column] = self._tables.between(self._shared[left], self._shared[right])
            self._filled[wanted] = len(self.observed)
        return np.asarray(self._table[numbers, : len(self.observed)])


def grown(array: NDArray[Kind], rows: int, columns: int) -> NDArray[Kind]:
    """Return `array` with room for rows and columns, zeros; room is doubled, so that growing is cheap on average."""
    if array.shape[0] >= rows and array.shape[1] >= columns:
        return array
    room = [
        max(need, 2 * have, LEAST_ROOM) if need > have else have
        for need, have in zip((rows, columns), array.shape, strict=False)
    ]
    larger = np.zeros((*room, array.shape[2]), dtype=array.dtype)
    larger[: array.shape[0], : array.shape[1]] = array
    return larger
