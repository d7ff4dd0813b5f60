"""NEAT for cells: innovation numbers, crossover and distance by hand, growth that keeps the function, species, the search."""

import numpy as np
import pytest
from synthetic_search import BareSpace, drive, landscape

from nasbench.baselines.strategies._genome import (
    Gene,
    History,
    add_connection,
    add_node,
    build,
    change_operation,
    crossover,
    distance,
    inner_nodes,
    minimal,
    ordered,
)
from nasbench.baselines.strategies.neat import Member, Nursery, Rates, Species, apportion, neat, reproduce, speciate
from nasbench.settings import SettingError
from nasbench.space import CELL201, SPACES, CellSpace, SpaceError

NO_NONE = CellSpace("no-none", 4, ("skip_connect", "conv"))
RATES = Rates(0.2, 0.5, 0.8, 0.75, 0.25, 0.001, 0.2)


def grown(seed, steps=6, most=2):
    """Return a random genome of CELL201 and its history."""
    rng, history = np.random.default_rng(seed), History()
    genome = minimal(history, 3)
    for _ in range(steps):
        kind = rng.integers(3)
        if kind == 0:
            changed = add_node(genome, history, rng, most, 1)
        elif kind == 1:
            changed = add_connection(genome, history, rng, [1, 2, 3, 4])
        else:
            changed = change_operation(genome, rng, [1, 2, 3, 4])
        genome = genome if changed is None else changed
    return genome, history


def test_equal_innovations_get_equal_numbers():
    history, rng = History(), np.random.default_rng(0)
    first, second = minimal(history, 3), minimal(history, 2)
    assert set(first) == set(second) == {0}
    split, again = add_node(first, history, rng, 2, 1), add_node(second, history, rng, 2, 1)
    assert set(split) == set(again) == {0, 1, 2}
    assert inner_nodes(split) == inner_nodes(again) == [2]


def test_splitting_by_hand():
    history = History()
    split = add_node(minimal(history, 3), history, np.random.default_rng(0), 2, 1)
    assert split == {0: Gene(0, 1, 3, False), 1: Gene(0, 2, 1), 2: Gene(2, 1, 3)}
    assert build(CELL201, split, 0) == (1, 0, 0, 0, 3, 0)  # input -skip-> node 1 -3x3-> output
    assert add_node(split, history, np.random.default_rng(0), 1, 1) is None  # no room for another


def test_splitting_keeps_the_cells_function():
    for seed in range(40):
        genome, history = grown(seed, most=1)
        before = CELL201.canonical(build(CELL201, genome, 0))
        split = add_node(genome, history, np.random.default_rng(seed), 2, 1)
        if split is not None:
            assert CELL201.canonical(build(CELL201, split, 0)) == before
            assert len(split) == len(genome) + 2


def test_connections_are_added_without_cycles_until_all_are_there():
    for seed in range(20):
        genome, history = grown(seed)
        rng = np.random.default_rng(seed)
        while (more := add_connection(genome, history, rng, [2])) is not None:
            assert sum(gene.enabled for gene in more.values()) == sum(gene.enabled for gene in genome.values()) + 1
            genome = more
            order = {node: place for place, node in enumerate(ordered(genome))}
            assert all(order[gene.source] < order[gene.target] for gene in genome.values())
        nodes = len(inner_nodes(genome)) + 2
        assert sum(gene.enabled for gene in genome.values()) == nodes * (nodes - 1) // 2


def test_changing_an_operation_touches_one_enabled_gene():
    genome = {0: Gene(0, 1, 3, False), 1: Gene(0, 2, 1), 2: Gene(2, 1, 3)}
    for seed in range(20):
        changed = change_operation(genome, np.random.default_rng(seed), [1, 2, 3, 4])
        different = [number for number in genome if changed[number] != genome[number]]
        assert len(different) == 1
        assert different[0] in (1, 2)
    assert change_operation({0: Gene(0, 1, 3, False)}, np.random.default_rng(0), [1, 2]) is None
    assert change_operation(genome, np.random.default_rng(0), [3]) is None


def figure_four():
    """The two parents of the paper's figure 4 (nodes renamed: 1, 2, 3 and 4 are its inputs and output)."""
    one = {n: Gene(0, n, 1) for n in (1, 3, 4, 5, 8)} | {2: Gene(0, 2, 1, False)}
    two = {n: Gene(0, n, 2) for n in (1, 3, 4, 6, 7, 9, 10)} | {n: Gene(0, n, 2, False) for n in (2, 5)}
    return one, two


def test_crossover_by_hand():
    one, two = figure_four()
    rng = np.random.default_rng(0)
    children = [crossover(two, one, rng, 0.75) for _ in range(4000)]
    # Genes of the fitter parent alone; disjoint 6, 7 and excess 9, 10 from it, matching 1 to 5 from either.
    assert all(set(child) == {1, 2, 3, 4, 5, 6, 7, 9, 10} for child in children)
    assert all(child[number].operation == 2 for child in children for number in (6, 7, 9, 10))
    for number in (1, 2, 3, 4, 5):
        assert np.mean([child[number].operation == 1 for child in children]) == pytest.approx(0.5, abs=0.03)
    for number in (2, 5):  # disabled in both, and in one of the parents
        assert np.mean([child[number].enabled for child in children]) == pytest.approx(0.25, abs=0.03)
    assert all(child[number].enabled for child in children for number in (1, 3, 4, 6, 7, 9, 10))
    other = crossover(one, two, rng, 0.75)
    assert set(other) == {1, 2, 3, 4, 5, 8}  # 8 is the other parent's gap: disjoint, and here from the fitter
    assert other[8].operation == 1


def test_distance_by_hand():
    one, two = figure_four()
    # Matching 1-5, all operations differ; disjoint 6, 7, 8; excess 9, 10.
    assert distance(one, two, 1.0, 1.0, 0.4) == pytest.approx(2 + 3 + 0.4)
    assert distance(one, two, 10.0, 1.0, 0.0) == pytest.approx(20 + 3)
    assert distance(two, one, 1.0, 100.0, 0.4) == pytest.approx(2 + 300 + 0.4)
    assert distance(one, one, 1.0, 1.0, 0.4) == 0.0
    half = {**one, 1: Gene(0, 1, 4)}
    assert distance(one, half, 1.0, 1.0, 0.6) == pytest.approx(0.6 / 6)
    long = {number: Gene(0, number + 1, 1) for number in range(40)}
    assert distance(long, {0: long[0]}, 1.0, 1.0, 0.4) == pytest.approx(39 / 40)


def test_building_sorts_nodes_that_were_invented_late_to_the_front():
    # Node 3 was put into the connection from the input to node 2, so it comes before it.
    genome = {
        0: Gene(0, 1, 3, False),
        1: Gene(0, 2, 1, False),
        2: Gene(2, 1, 4),
        3: Gene(0, 3, 2),
        4: Gene(3, 2, 3),
    }
    assert ordered(genome) == [0, 3, 2, 1]
    assert build(CELL201, genome, 0) == (2, 0, 3, 0, 0, 4)
    assert build(NO_NONE, {0: Gene(0, 1, 1)}, 0) == (0, 0, 0, 1, 0, 0)


def member(genome, accuracy, accuracies):
    form = ("form", len(accuracies))
    accuracies[form] = accuracy
    return Member(genome, (0,) * 6, form)


def test_species_by_hand():
    history, rng = History(), np.random.default_rng(0)
    small = minimal(history, 3)
    large = {number: Gene(0, 10 + number, 2) for number in range(5, 9)}
    accuracies = {}
    members = [member(small, 0.5, accuracies), member(large, 0.6, accuracies), member(small, 0.7, accuracies)]
    species = speciate([], members, rng, (1.0, 1.0, 0.4), 3.0)
    assert [kind.members for kind in species] == [[members[0], members[2]], [members[1]]]
    species[0].best, species[0].stale = 0.7, 2
    again = speciate(species, members[1:2], rng, (1.0, 1.0, 0.4), 3.0)
    assert [kind.members for kind in again] == [[members[1]]]  # the species without members is gone
    one = speciate(species, members, rng, (1.0, 1.0, 0.4), 100.0)
    assert len(one) == 1
    assert (one[0].best, one[0].stale) == (0.7, 2)


def test_offspring_are_apportioned_to_mean_accuracy():
    assert apportion(np.array([0.5, 0.5]), 7) == [4, 3]
    assert apportion(np.array([0.9, 0.3, 0.0]), 20) == [15, 5, 0]
    assert apportion(np.zeros(3), 7) == [3, 2, 2]


@pytest.mark.parametrize(("size", "parents"), [(1, 1), (4, 1), (5, 2), (9, 2), (10, 3), (20, 5)])
def test_a_fifth_of_a_species_and_one_more_may_reproduce(size, parents, monkeypatch):
    """floor(survival_thresh * size + 1) of the author's `Species::adjust_fitness`."""
    accuracies, seen = {}, []
    nursery = Nursery(CELL201, RATES, np.random.default_rng(0))
    firsts = [nursery.first() for _ in range(size)]
    members = [member(first.genome, 0.01 * place, accuracies) for place, first in enumerate(firsts)]
    offspring = nursery.offspring

    def watched(chosen, *others):
        seen.append(len(chosen))
        return offspring(chosen, *others)

    monkeypatch.setattr(nursery, "offspring", watched)
    reproduce([Species(members[0].genome, members, 0.5, 0)], accuracies, 20, 15, nursery)
    assert set(seen) == {parents}


def test_champions_stay_and_stale_species_die():
    accuracies = {}
    nursery = Nursery(CELL201, RATES, np.random.default_rng(0))
    firsts = [nursery.first() for _ in range(8)]
    rising = [member(first.genome, 0.1 * place, accuracies) for place, first in enumerate(firsts[:6])]
    stale = [member(first.genome, 0.9, accuracies) for first in firsts[6:]]
    species = [Species(rising[0].genome, rising, 0.5, 3), Species(stale[0].genome, stale, 0.9, 15)]
    following = reproduce(species, accuracies, 20, 15, nursery)
    assert len(following) == 20
    assert following[0] is rising[5]
    species[0].stale = 15
    assert len(reproduce(species, accuracies, 20, 15, nursery)) == 20  # all stale: the best one goes on


def test_evolution_starts_minimal_and_grows():
    asked, _ = drive(neat, CELL201, landscape(CELL201.choices), 120)
    connections = [sum(operation != 0 for operation in cell) for cell in asked]
    assert set(asked[:4]) == {(0, 0, 0, operation, 0, 0) for operation in (1, 2, 3, 4)}
    assert np.mean(connections[-40:]) > np.mean(connections[:20]) + 1
    assert len({CELL201.canonical(cell) for cell in asked}) >= 115


def test_beats_random_search():
    accuracy = landscape(CELL201.choices)
    best = [max(drive(neat, CELL201, accuracy, 150, seed=seed)[1]) for seed in range(10)]
    rng = np.random.default_rng(5)
    random_best = [max(accuracy(CELL201.sample(rng)) for _ in range(150)) for _ in range(200)]
    assert np.mean(best) > np.mean(random_best) + 2 * np.std(best) / np.sqrt(10)


@pytest.mark.parametrize("space", [SPACES["cell201-3node"], NO_NONE, CellSpace("two", 2, ("skip_connect", "conv"))])
def test_other_spaces_reproducibly_past_exhaustion(space):
    accuracy = landscape(space.choices)
    first = drive(neat, space, accuracy, 80)
    assert first == drive(neat, space, accuracy, 80)
    assert len(first[0]) == 80


def test_spaces_and_settings_that_do_not_fit_are_refused():
    with pytest.raises(SpaceError, match="neat grows cells; space bare is none of cells"):
        drive(neat, BareSpace(), landscape((2, 3, 4)), 1)
    for wrong in ({"population": 1}, {"threshold": 0.0}, {"survival": 0.0}, {"keep_disabled": 1.5}, {"stagnation": 0}):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            drive(neat, CELL201, landscape(CELL201.choices), 1, **wrong)
