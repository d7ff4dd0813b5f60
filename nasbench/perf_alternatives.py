"""What `perf.py` compares against: the same results and strategies as a user would write them without this package.

Two common forms of a benchmark's results: nested dictionaries keyed by the architecture's string and the seed, as NATS-Bench
(Dong et al., TPAMI 2021, arXiv:2009.00437) keeps them in memory, and a pandas frame with an index of two levels. Random search
and regularized evolution are plain loops that count the budget themselves, after NATS-Bench's example scripts: no fidelities,
no batches, no record of seeds, no repeats chosen for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from nasbench.space import CellSpace
from nasbench.table import MISSING, Table

Answer: TypeAlias = tuple[float, float]
"""Validation accuracy, a fraction, and cost in seconds."""

LookUp: TypeAlias = Callable[[str, int], Answer]
"""Answer for an architecture string and a seed, the number of a repeat."""

Dictionary: TypeAlias = dict[str, dict[int, Answer]]

Log: TypeAlias = list[tuple[str, float, float]]
"""Architecture string, validation accuracy and finishing time, in order."""

ByHand: TypeAlias = Callable[[CellSpace, LookUp, np.random.Generator, float], Log]
"""A strategy in a plain loop, called with space, look-up, generator and budget in seconds."""


def as_dictionary(table: Table, dataset: str) -> Dictionary:
    """Return all trainings at full fidelity of a table whose rows are strings, by string and repeat."""
    data = table.dataset(dataset)
    accuracy = data.answers("validation")[:, :, -1]
    seconds = (data.train_seconds + data.validation_seconds) * data.epochs[-1]
    return {
        table.space.format(tuple(architecture)): {
            repeat: (float(accuracy[row, repeat]), float(seconds[row]))
            for repeat in range(accuracy.shape[1])
            if data.status[row, repeat] != MISSING
        }
        for row, architecture in enumerate(table.architectures.tolist())
    }


def as_frame(results: Dictionary) -> pd.DataFrame:
    """Return the same with columns `accuracy` and `seconds` and a sorted index (string, repeat)."""
    rows = [(text, repeat, *answer) for text, answers in results.items() for repeat, answer in answers.items()]
    frame = pd.DataFrame(rows, columns=["architecture", "repeat", "accuracy", "seconds"])
    return frame.set_index(["architecture", "repeat"]).sort_index()


def numbered_frame(frame: pd.DataFrame, space: CellSpace) -> pd.DataFrame:
    """Return the frame with the architecture's number in place of its string, which pandas finds faster."""
    texts, repeats = frame.index.get_level_values(0), frame.index.get_level_values(1)
    numbers = [space.index(space.parse(text)) for text in texts]
    index = pd.MultiIndex.from_arrays([numbers, repeats])
    return frame.set_axis(index).sort_index()


def dictionary_look_up(results: Dictionary) -> LookUp:
    """Return the look-up in nested dictionaries."""
    return lambda text, repeat: results[text][repeat]


def frame_look_up(frame: pd.DataFrame) -> LookUp:
    """Return the look-up with `.loc`."""

    def look_up(text: str, repeat: int) -> Answer:
        row: Any = frame.loc[(text, repeat)]
        accuracy, seconds = row
        return float(accuracy), float(seconds)

    return look_up


def random_search_by_hand(space: CellSpace, look_up: LookUp, rng: np.random.Generator, budget: float) -> Log:
    """Draw strings until the budget is used up. Two repeats, those that every row of NAS-Bench-201 has."""
    log: Log = []
    now = 0.0
    while True:
        text = space.format(space.sample(rng))
        accuracy, seconds = look_up(text, int(rng.integers(2)))
        now += seconds
        if now > budget:
            return log
        log.append((text, accuracy, now))


def evolution_by_hand(
    space: CellSpace, look_up: LookUp, rng: np.random.Generator, budget: float, population: int = 10, sample: int = 3
) -> Log:
    """Regularized evolution with NATS-Bench's settings until the budget is used up."""
    log: Log = []
    alive: deque[tuple[float, tuple[int, ...]]] = deque()
    now = 0.0
    while True:
        if len(alive) < population:
            child = space.sample(rng)
        else:
            drawn = [alive[number] for number in rng.integers(population, size=sample).tolist()]
            child = space.mutate(max(drawn, key=lambda member: member[0])[1], rng)
        text = space.format(child)
        accuracy, seconds = look_up(text, int(rng.integers(2)))
        now += seconds
        if now > budget:
            return log
        log.append((text, accuracy, now))
        alive.append((accuracy, child))
        if len(alive) > population:
            alive.popleft()
