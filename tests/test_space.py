"""The search space against brute force: every cell evaluated as a function, with opaque random maps as operations."""

import hashlib
import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nasbench.space import CELL201, INPUT, SPACES, CellSpace, SpaceError, cell_graph, space_by_name

PRIME = 2**61 - 1
SOURCE = 1234567891  # the value that enters the cell


def opaque(operation, value):
    """A random-looking map of numbers below PRIME; zero stays zero, as in a network without biases."""
    if value == 0:
        return 0
    return int.from_bytes(hashlib.blake2b(f"{operation} {value}".encode(), digest_size=16).digest(), "big") % PRIME


def evaluate(space, architecture):
    """The cell as the paper draws it: node = sum over its incoming edges, edge by edge; nothing symbolic."""
    values = [SOURCE]
    edges = iter(architecture)
    for target in range(1, space.nodes):
        total = 0
        for source in range(target):
            operation = next(edges)
            name = space.operations[operation]
            if name == "skip_connect":
                total += values[source]
            elif name != "none":
                total += opaque(operation, values[source])
        values.append(total % PRIME)
    return values[-1]


def evaluate_graph(cell):
    """The graph that a network is built from, with the same maps."""
    values, results = [SOURCE], []
    pending = list(cell.operations)
    for parts in cell.nodes:
        while pending and pending[0][1] < len(values):
            operation, source = pending.pop(0)
            results.append(opaque(operation, values[source]))
        values.append(sum(times * (SOURCE if part == -1 else results[part]) for part, times in parts) % PRIME)
    assert not pending
    return values[-1]


def partition(keys):
    """Positions grouped by key, as a set of groups."""
    groups = defaultdict(list)
    for position, key in enumerate(keys):
        groups[key].append(position)
    return {tuple(group) for group in groups.values()}


architectures = st.tuples(*[st.integers(0, 4)] * 6)

small_spaces = st.builds(
    lambda nodes, operations: CellSpace("drawn", nodes, tuple(operations)),
    st.integers(2, 4),
    st.lists(
        st.sampled_from(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "other"]),
        min_size=1,
        max_size=3,
        unique=True,
    ),
)


# Counts of reference/nas-methods.md 0.5 ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "classes"),
    [("cell201", 15625, 4930), ("cell201-3node", 125, 60), ("cell201-3op", 729, 78), ("cell201-4op", 4096, 871)],
)
def test_exact_counts(name, size, classes):
    space = SPACES[name]
    assert space.size == size == len(list(space))
    assert len(space.classes) == classes == len({space.canonical(architecture) for architecture in space})


def test_341_strings_have_no_path_from_input_to_output():
    def connected(architecture):
        reached = {0}
        for edge, (source, target) in enumerate(CELL201.edges):
            if source in reached and architecture[edge] != 0:
                reached.add(target)
        return 3 in reached

    broken = {CELL201.index(architecture) for architecture in CELL201 if not connected(architecture)}
    assert len(broken) == 341
    assert broken == set(CELL201.classes[CELL201.class_of[0]])
    assert all(CELL201.canonical(CELL201.architecture(index)) == () for index in broken)


# Canonical form ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(SPACES))
def test_canonical_partition_is_that_of_the_functions(name):
    space = SPACES[name]
    assert partition(space.class_of.tolist()) == partition(evaluate(space, architecture) for architecture in space)


@given(small_spaces)
@settings(max_examples=30, deadline=None)
def test_canonical_partition_in_drawn_spaces(space):
    assert partition(map(space.canonical, space)) == partition(evaluate(space, architecture) for architecture in space)


@given(architectures, architectures)
def test_equal_canonical_forms_mean_equal_functions(first, second):
    same = CELL201.canonical(first) == CELL201.canonical(second)
    assert same == (evaluate(CELL201, first) == evaluate(CELL201, second))


def test_what_the_published_key_leaves_apart_is_one_class():
    def parse(text):
        return CELL201.canonical(CELL201.parse(text))

    # a sum of two terms beside a third one: (a + c) + b and a + b + c
    first = parse("|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|skip_connect~2|")
    second = parse("|nor_conv_1x1~0|+|avg_pool_3x3~0|skip_connect~1|+|nor_conv_3x3~0|none~1|skip_connect~2|")
    assert first == second and len(first) == 3
    # a node all of whose inputs are zero feeds a convolution
    assert parse("|none~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|") == (INPUT,)
    # the text-based key has 6,466 classes, more than the functions
    assert len(CELL201.classes) < 6466


def test_classes_list_members_ascending_and_are_numbered_by_the_smallest():
    firsts = [members[0] for members in CELL201.classes]
    assert firsts == sorted(firsts)
    assert all(list(members) == sorted(members) for members in CELL201.classes)
    assert sorted(itertools.chain(*CELL201.classes)) == list(range(15625))
    assert all(CELL201.class_of[index] == number for number, group in enumerate(CELL201.classes) for index in group)


def test_graph_of_every_class_computes_the_same_function_with_one_operation_for_each_term():
    for members in CELL201.classes:
        architecture = CELL201.architecture(members[0])
        cell = cell_graph(CELL201.canonical(architecture))
        assert evaluate_graph(cell) == evaluate(CELL201, architecture)
        assert len(set(cell.operations)) == len(cell.operations)
        assert all(operation not in (0, 1) for operation, _ in cell.operations)


def test_graph_of_zero_and_identity():
    assert cell_graph(()).nodes == ((),)
    assert cell_graph((INPUT,)).nodes == (((-1, 1),),)
    assert cell_graph((INPUT, INPUT)).nodes == (((-1, 2),),)


# Weights: what one row for a class leaves out ------------------------------------------------------------------------


def weighted_tree(architecture):
    """The output as nested terms (operation, operand, edge); only convolutions (2 and 3) keep the edge, where weights sit."""
    values, edge = [((-1, (), -1),)], 0
    for target in range(1, 4):
        terms = []
        for source in range(target):
            operation = architecture[edge]
            if operation == 1:
                terms += values[source]
            elif operation != 0 and values[source]:
                terms.append((operation, values[source], edge if operation in (2, 3) else -1))
            edge += 1
        values.append(tuple(sorted(terms)))
    return values[-1]


def without_weights(terms):
    return tuple(sorted((operation, without_weights(operand)) for operation, operand, _ in terms))


def uses(terms, found):
    """The weights (edges) with which each convolution is applied to each value."""
    for operation, operand, edge in terms:
        if edge >= 0:
            found[operation, without_weights(operand)].add(edge)
        uses(operand, found)
    return found


def told_apart(terms):
    """The terms with weights numbered so that only their sharing matters: the smallest of all numberings."""

    def renumber(part, number):
        return tuple(sorted((op, renumber(operand, number), number.get(edge, -1)) for op, operand, edge in part))

    edges = sorted(set().union(*uses(terms, defaultdict(set)).values(), set()))
    return min(
        renumber(terms, dict(zip(edges, order, strict=True))) for order in itertools.permutations(range(len(edges)))
    )


def test_strings_that_apply_a_convolution_twice_to_one_value():
    trees = [weighted_tree(architecture) for architecture in CELL201]
    assert [without_weights(tree) for tree in trees] == list(map(CELL201.canonical, CELL201))
    twice = [any(len(edges) > 1 for edges in uses(tree, defaultdict(set)).values()) for tree in trees]
    by_class = [{twice[index] for index in members} for members in CELL201.classes]
    assert sum(twice) == 4062
    assert sum(True in kinds for kinds in by_class) == 1998
    assert sum(kinds == {True, False} for kinds in by_class) == 212
    strict = [len({told_apart(trees[index]) for index in members}) for members in CELL201.classes]
    assert sum(count > 1 for count in strict) == 326
    assert sum(strict) == 5260


# Numbers and strings -------------------------------------------------------------------------------------------------


def test_index_is_the_position_in_the_enumeration():
    for position, architecture in enumerate(CELL201):
        assert CELL201.index(architecture) == position
        assert CELL201.architecture(position) == architecture


@given(architectures)
def test_published_string_round_trip(architecture):
    text = CELL201.format(architecture)
    assert CELL201.parse(text) == architecture
    assert CELL201.parse(f"  {text}\n") == architecture
    assert text.count("~") == 6 and [part.count("|") for part in text.split("+")] == [2, 3, 4]


def test_published_string_of_the_benchmarks_documentation():
    text = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
    assert CELL201.parse(text) == (3, 3, 4, 1, 3, 1)
    assert CELL201.edges == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


@given(small_spaces, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_round_trips_in_drawn_spaces(space, random):
    index = random.randrange(space.size)
    architecture = space.architecture(index)
    assert space.index(architecture) == index
    assert space.parse(space.format(architecture)) == architecture
    assert space.check(architecture) == architecture


# Drawing and moving --------------------------------------------------------------------------------------------------


@given(architectures)
def test_24_neighbours_differ_on_one_edge(architecture):
    neighbours = CELL201.neighbours(architecture)
    assert len(neighbours) == 24 == len(set(neighbours))
    assert all(sum(a != b for a, b in zip(architecture, other, strict=True)) == 1 for other in neighbours)


def test_mutation_is_uniform_over_the_neighbours():
    rng = np.random.default_rng(1)
    architecture = (0, 1, 2, 3, 4, 2)
    counts = Counter(CELL201.mutate(architecture, rng) for _ in range(24_000))
    assert set(counts) == set(CELL201.neighbours(architecture))
    assert stats.chisquare(list(counts.values())).pvalue > 0.001


def test_sample_is_uniform_over_strings():
    rng = np.random.default_rng(2)
    space = SPACES["cell201-3node"]
    counts = Counter(space.sample(rng) for _ in range(125 * 200))
    assert len(counts) == 125
    assert stats.chisquare(list(counts.values())).pvalue > 0.001


def test_sample_class_is_uniform_over_classes_and_over_their_members():
    rng = np.random.default_rng(3)
    space = SPACES["cell201-3node"]
    drawn = [space.index(space.sample_class(rng)) for _ in range(60 * 1000)]
    classes = Counter(space.class_of[drawn].tolist())
    assert len(classes) == 60
    assert stats.chisquare(list(classes.values())).pvalue > 0.001
    largest = max(space.classes, key=len)
    members = Counter(index for index in drawn if index in largest)
    assert len(members) == len(largest) > 5
    assert stats.chisquare(list(members.values())).pvalue > 0.001


def test_draws_depend_on_the_generator_alone():
    first = [CELL201.sample(np.random.default_rng(7)) for _ in range(2)]
    assert first[0] == first[1]
    assert all(type(operation) is int for operation in first[0])


# Encodings -----------------------------------------------------------------------------------------------------------


def test_one_hot():
    encoding = CELL201.one_hot([(0, 1, 2, 3, 4, 0), (4, 4, 4, 4, 4, 4)])
    expected = np.zeros((2, 6, 5))
    for edge, operation in enumerate((0, 1, 2, 3, 4, 0)):
        expected[0, edge, operation] = 1
    expected[1, :, 4] = 1
    assert np.array_equal(encoding, expected.reshape(2, 30))


def naive_paths(architecture):
    """Bits of the operation sequences met on a walk from node 0 to node 3, by depth-first search."""
    number = {}
    for length in (1, 2, 3):
        for sequence in itertools.product(range(5), repeat=length):
            number[sequence] = len(number)
    bits = np.zeros(len(number))

    def walk(node, sequence):
        if node == 3:
            bits[number[sequence]] = 1
        for edge, (source, target) in enumerate(CELL201.edges):
            if source == node:
                walk(target, (*sequence, architecture[edge]))

    walk(0, ())
    return bits


@given(st.lists(architectures, min_size=1, max_size=5))
def test_path_encoding_against_a_walk(batch):
    encoding = CELL201.path_encoding(batch)
    assert encoding.shape == (len(batch), 155)
    assert np.array_equal(encoding, [naive_paths(architecture) for architecture in batch])


@given(small_spaces)
@settings(deadline=None)
def test_path_encoding_has_a_bit_for_each_sequence(space):
    count = len(space.operations)
    assert space.path_encoding([space.architecture(0)]).shape == (1, sum(count**k for k in range(1, space.nodes)))
    assert len(space.paths) == 2 ** (space.nodes - 2)


# Errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", 1, ("none",)), "nodes is 1, must be at least 2"),
        (("x", 4, ()), "one or more different names"),
        (("x", 4, ("none", "none")), "one or more different names"),
        (("x", 4, ("a|b",)), "'a|b' can't stand in the string form"),
        (("x", 4, ("a~b",)), "can't stand"),
        (("x", 4, ("a+b",)), "can't stand"),
        (("x", 4, (" a",)), "can't stand"),
        (("x", 4, ("",)), "can't stand"),
    ],
)
def test_spaces_that_make_no_sense(arguments, message):
    with pytest.raises(SpaceError, match=message.replace("|", r"\|")):
        CellSpace(*arguments)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ((0, 0, 0), "has 3 edges, space cell201 has 6"),
        ((0, 0, 0, 0, 0, 5), "operation 5 on edge 5 is not in 0..4"),
        ((0, -1, 0, 0, 0, 0), "operation -1 on edge 1"),
        ((0, 0, 0, True, 0, 0), "operation True on edge 3"),
        ((0, 0, 1.0, 0, 0, 0), "operation 1.0 on edge 2"),
    ],
)
def test_architectures_outside_the_space(architecture, message):
    with pytest.raises(SpaceError, match=message):
        CELL201.check(architecture)


def test_check_turns_numpy_integers_into_integers():
    checked = CELL201.check(np.array([0, 1, 2, 3, 4, 0], dtype=np.uint8))
    assert checked == (0, 1, 2, 3, 4, 0) and all(type(operation) is int for operation in checked)


@pytest.mark.parametrize("index", [-1, 15625])
def test_indices_outside_the_space(index):
    with pytest.raises(SpaceError, match=rf"index {index} is outside 0\.\.15624"):
        CELL201.architecture(index)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 2 nodes, space cell201 has 4; example: "),
        ("|none~0|", "has 2 nodes, space cell201 has 4; example: "),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", r"node 2 must have 2 inputs"),
        ("none~0+|none~0|none~1|+|none~0|none~1|none~2|", r"node 1 must have 1 inputs"),
        ("|none~1|+|none~0|none~1|+|none~0|none~1|none~2|", r"input 'none~1' of node 1 must end in '~0'"),
        ("|none|+|none~0|none~1|+|none~0|none~1|none~2|", r"input 'none' of node 1 must end in '~0'"),
        ("|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|", r"unknown operation 'conv', space cell201 has \['none'"),
    ],
)
def test_strings_that_are_no_architecture(text, message):
    with pytest.raises(SpaceError, match=message):
        CELL201.parse(text)


def test_nothing_to_mutate_to():
    with pytest.raises(SpaceError, match="one operation"):
        CellSpace("x", 3, ("conv",)).mutate((0, 0, 0), np.random.default_rng(0))


def test_unknown_space():
    with pytest.raises(SpaceError, match=r"unknown search space 'nope'; there are \['cell201'"):
        space_by_name("nope")
    assert space_by_name("cell201") is CELL201


def test_size_is_operations_to_the_power_of_edges():
    for space in SPACES.values():
        assert space.size == math.prod(space.choices)
