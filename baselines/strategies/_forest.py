"""A random forest of regression trees over categorical decisions (Breiman, Machine Learning 45, 2001), grown level by level.

All trees grow together: one level of the whole forest is a handful of array operations, which makes refitting after every
observation cheap. A split sends a set of options left; among all sets the one that lowers the squared error most is found
by sorting the options by their mean response (Breiman, Friedman, Olshen & Stone 1984, section 9.4; Fisher 1958). An option
that no example of a node has is sent to a side at random, so that trees disagree where they know nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Forest:
    """Trees in one array of nodes; the roots are nodes 0 to trees - 1.

    Attributes:
        trees: number of trees.
        feature: shape (nodes,), the decision that a node tests; 0 at a leaf, where it doesn't matter.
        child: shape (nodes, options), the node to which each option of that decision leads; at a leaf the leaf itself.
        value: shape (nodes,), mean response of the node's examples.
        depth: number of levels below the roots.
    """

    trees: int
    feature: Ints
    child: Ints
    value: Floats
    depth: int


def fit_forest(
    inputs: Ints,
    responses: Floats,
    choices: Sequence[int],
    rng: np.random.Generator,
    *,
    trees: int = 10,
    bootstrap: bool = True,
    feature_ratio: float = 1.0,
    minimum_split: int = 2,
    minimum_leaf: int = 1,
) -> Forest:
    """Grow a forest.

    Args:
        inputs: shape (n, decisions), option numbers.
        responses: shape (n,).
        choices: number of options of each decision.
        rng: draws examples, decisions and the side of options that a node has not seen.
        trees: number of trees.
        bootstrap: each tree sees n draws with replacement; otherwise all examples.
        feature_ratio: share of the decisions that a node may test, drawn anew for each node; rounded up.
        minimum_split: fewest examples of a node that is split.
        minimum_leaf: fewest examples on either side of a split.
    """
    count, decisions = inputs.shape
    options = max(choices)
    tried = int(np.ceil(feature_ratio * decisions - 1e-9))
    rows = (rng.integers(count, size=(trees, count)) if bootstrap else np.tile(np.arange(count), (trees, 1))).ravel()
    owner = np.repeat(np.arange(trees), count)  # the node, numbered within its level, that holds each example
    first, width = 0, trees  # number of the level's first node; nodes in the level
    levels: list[tuple[Ints, Ints, Floats]] = []
    while True:
        split, feature, goes_left, value = _best_splits(
            inputs[rows], responses[rows], owner, width, options, rng, tried, minimum_split, minimum_leaf
        )
        number = np.cumsum(split) - 1  # of the node among those that split
        left = first + width + 2 * number  # its left child; the right one is the next node
        itself = first + np.arange(width)
        child = np.where(split[:, None], left[:, None] + ~goes_left, itself[:, None])
        levels.append((np.where(split, feature, 0), child, value))
        if not split.any():
            break
        kept = split[owner]
        rows, owner = rows[kept], owner[kept]
        owner = child[owner, inputs[rows, feature[owner]]] - (first + width)
        first, width = first + width, 2 * int(split.sum())
    features, children, values = zip(*levels, strict=True)
    return Forest(trees, np.concatenate(features), np.concatenate(children), np.concatenate(values), len(levels) - 1)


def _best_splits(
    inputs: Ints,
    responses: Floats,
    owner: Ints,
    nodes: int,
    options: int,
    rng: np.random.Generator,
    tried: int,
    minimum_split: int,
    minimum_leaf: int,
) -> tuple[Bools, Ints, Bools, Floats]:
    """Return for each node whether it splits, on which decision, which options go left, and its mean response."""
    decisions = inputs.shape[1]
    shape = (nodes, decisions, options)
    cells = ((owner[:, None] * decisions + np.arange(decisions)) * options + inputs).ravel()  # (examples x decisions,)
    sizes = np.bincount(cells, minlength=nodes * decisions * options).reshape(shape).astype(np.float64)
    sums = np.bincount(cells, np.repeat(responses, decisions), nodes * decisions * options).reshape(shape)
    size, total = sizes[:, 0].sum(axis=1), sums[:, 0].sum(axis=1)  # (nodes,)

    means = np.where(sizes > 0, sums / np.maximum(sizes, 1.0), np.inf)  # options not seen come last
    order = np.argsort(means, axis=2, kind="stable")
    flat = order + options * np.arange(nodes * decisions).reshape(nodes, decisions, 1)
    left_size = sizes.ravel()[flat].cumsum(axis=2)[..., :-1]  # after the first, the second, ...
    left_sum = sums.ravel()[flat].cumsum(axis=2)[..., :-1]
    right_size, right_sum = size[:, None, None] - left_size, total[:, None, None] - left_sum
    allowed = (left_size >= minimum_leaf) & (right_size >= minimum_leaf)
    gain = left_sum**2 / np.maximum(left_size, 1.0) + right_sum**2 / np.maximum(right_size, 1.0)
    gain = np.where(allowed, gain - (total**2 / size)[:, None, None], -np.inf)

    # Decisions in random order: the first `tried` compete, and of equal ones the first in that order wins.
    competing = np.argsort(rng.random((nodes, decisions)), axis=1)[:, :tried]
    best_cut = gain.argmax(axis=2)
    best_gain = gain.max(axis=2)
    node = np.arange(nodes)
    winner = best_gain[node[:, None], competing].argmax(axis=1)
    feature = competing[node, winner]
    scale = 1e-12 * np.maximum(total**2 / size, 1e-300)  # what rounding can fake where all responses are equal
    split = (size >= minimum_split) & (best_gain[node, feature] > scale)

    cut = best_cut[node, feature]
    rank = np.argsort(order[node, feature], axis=1)  # place of each option in the order of means
    goes_left = rank <= cut[:, None]
    unseen = sizes[node, feature] == 0
    goes_left = np.where(unseen, rng.random((nodes, options)) < 0.5, goes_left)
    return split, feature, goes_left, total / size


def predict_forest(forest: Forest, inputs: Ints) -> tuple[Floats, Floats]:
    """Return mean and variance of the trees' predictions, each of shape (n,), for inputs of shape (n, decisions)."""
    options = forest.child.shape[1]
    flat_inputs, flat_child = np.ascontiguousarray(inputs).ravel(), forest.child.ravel()
    node = np.tile(np.arange(forest.trees), (len(inputs), 1))  # (n, trees)
    row = np.arange(len(inputs))[:, None] * inputs.shape[1]
    for _ in range(forest.depth):
        option = flat_inputs[row + forest.feature[node]]
        node = flat_child[node * options + option]
    values = forest.value[node]
    return values.mean(axis=1), values.var(axis=1)


def predict_product(forest: Forest, choices: Sequence[int]) -> tuple[Floats, Floats]:
    """Return what `predict_forest` does for all combinations of options, in the order of `itertools.product`.

    A leaf holds a box, a set of options for each decision. An input lies in it if its first decisions do and its last ones do, so
    that the predictions of a tree are a matrix product over its leaves: for NAS-Bench-201's 15,625 cells less work than to walk
    a tenth of them down the trees.
    """
    decisions = len(choices)
    boxes, tree = _boxes(forest, decisions)
    leaf = np.flatnonzero(forest.child[:, 0] == np.arange(len(forest.child)))
    leaf = leaf[np.argsort(tree[leaf], kind="stable")]
    counts = np.bincount(tree[leaf], minlength=forest.trees)
    place = np.arange(len(leaf)) - np.repeat(np.cumsum(counts) - counts, counts)
    half = decisions // 2
    sides = []
    for begin, end in ((0, half), (half, decisions)):
        inside = np.ones((len(leaf), 1), dtype=np.bool_)
        for decision in range(begin, end):
            options = boxes[leaf, decision, : choices[decision]]
            inside = (inside[:, :, None] & options[:, None, :]).reshape(len(leaf), -1)
        padded = np.zeros((forest.trees, int(counts.max()), inside.shape[1]))
        padded[tree[leaf], place] = inside
        sides.append(padded)
    sides[1][tree[leaf], place] *= forest.value[leaf][:, None]
    values = (sides[0].swapaxes(1, 2) @ sides[1]).reshape(forest.trees, -1)  # (trees, combinations)
    mean = values.mean(axis=0)
    values -= mean
    values *= values
    return mean, values.mean(axis=0)


def _boxes(forest: Forest, decisions: int) -> tuple[Bools, Ints]:
    """Return the options that lead to each node, shape (nodes, decisions, options), and the tree that it belongs to."""
    nodes, options = forest.child.shape
    boxes = np.ones((nodes, decisions, options), dtype=np.bool_)
    tree = np.arange(nodes)
    parents = np.arange(forest.trees)
    while True:
        parents = parents[forest.child[parents, 0] != parents]
        if not len(parents):
            return boxes, tree
        child, feature = forest.child[parents], forest.feature[parents]
        sides = child.min(axis=1), child.max(axis=1)
        for side in sides:
            boxes[side] = boxes[parents]
            boxes[side, feature] &= child == side[:, None]
            tree[side] = tree[parents]
        parents = np.concatenate(sides)
