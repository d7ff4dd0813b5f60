"""Drive a strategy on made-up scores: a smooth function of the decisions plus noise, known in full to the tests."""

import itertools

import numpy as np

from nasbench.query import Observation, Query


def landscape(choices, seed=0):
    """Return a function architecture -> accuracy in (0, 1): main effects and interactions of neighbouring decisions."""
    rng = np.random.default_rng(seed)
    main = rng.normal(size=(len(choices), max(choices)))
    pair = 0.5 * rng.normal(size=(len(choices), max(choices), max(choices)))

    def accuracy(architecture):
        total = sum(main[place, value] for place, value in enumerate(architecture))
        total += sum(pair[place, a, b] for place, (a, b) in enumerate(itertools.pairwise(architecture)))
        return float(1 / (1 + np.exp(-total / len(choices))))

    return accuracy


def drive(strategy, space, accuracy, queries, seed=0, noise=0.0, epochs=(1, 3), **settings):
    """Return the architectures asked for and the accuracies answered, in order, `queries` of them or fewer."""
    answers = np.random.default_rng(seed + 1_000_000)
    search = strategy(space, np.random.default_rng(seed), epochs, **settings)
    asked, told, answer = [], [], None
    while len(asked) < queries:
        try:
            proposal = search.send(answer)
        except StopIteration:
            break
        batch = proposal if isinstance(proposal, tuple) else (proposal,)
        observations = []
        for query in batch:
            assert isinstance(query, Query)
            assert query.epochs == epochs[-1]
            value = float(np.clip(accuracy(query.architecture) + noise * answers.normal(), 0.0, 1.0))
            observations.append(Observation(query, value, 1.0))
            asked.append(query.architecture)
            told.append(value)
        answer = tuple(observations) if isinstance(proposal, tuple) else observations[0]
    search.close()
    return asked[:queries], told[:queries]


class BareSpace:
    """A space with nothing beyond the SearchSpace protocol: three decisions of different sizes, every class one member."""

    name = "bare"
    choices = (2, 3, 4)
    size = 24

    def sample(self, rng):
        return tuple(int(rng.integers(options)) for options in self.choices)

    def mutate(self, architecture, rng):
        return self.neighbours(architecture)[int(rng.integers(6))]

    def neighbours(self, architecture):
        return [
            (*architecture[:place], value, *architecture[place + 1 :])
            for place, options in enumerate(self.choices)
            for value in range(options)
            if value != architecture[place]
        ]

    def index(self, architecture):
        return int(np.ravel_multi_index(architecture, self.choices))

    def architecture(self, index):
        return tuple(int(value) for value in np.unravel_index(index, self.choices))

    def canonical(self, architecture):
        return architecture

    def format(self, architecture):
        return "-".join(map(str, architecture))

    def parse(self, text):
        return tuple(map(int, text.split("-")))
