"""Each proxy against a plain loop on the plain network of `plain_network.py`, its sign, its scale, and where it is not defined."""

import math

import numpy as np
import pytest

pytestmark = pytest.mark.live
torch = pytest.importorskip("torch")

import plain_network  # noqa: E402

from nasbench.network import Network  # noqa: E402
from nasbench.proxies import PROXIES, Batch, grasp, jacob_cov, naswot, synflow, weighted, zen  # noqa: E402
from nasbench.proxy_table import FREE, NAMES  # noqa: E402
from nasbench.skeleton import Skeleton  # noqa: E402
from nasbench.space import CELL201  # noqa: E402

SIGNAL = Skeleton((1, 1, 12), classes=3, channels=4, stages=1, cells=1, stem="conv1x1", downsample="pool")
IMAGE = Skeleton((2, 6, 6), classes=3, channels=3, stages=2, cells=1, stem="conv3x3", downsample="residual")
POOLED = Skeleton((2, 4, 4), classes=3, channels=3, stages=2, cells=1, stem="conv3x3", downsample="pool")
CELLS = (
    "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
    "|nor_conv_1x1~0|+|skip_connect~0|none~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|",
)
ZERO = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
SKIP = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
CHAIN = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|"
SIZE = 7


def build(cells, skeleton, seed=0):
    """Return a float64 network of members with these cells, each with weights of its own."""
    network = Network(CELL201, [CELL201.parse(cell) for cell in cells], skeleton).double()
    network.initialise([np.random.default_rng((seed, number)) for number in range(len(cells))])
    return network.train()


def examples(members, skeleton, seed=1, size=SIZE):
    rng = np.random.default_rng(seed)
    channels, height, width = skeleton.input_shape
    inputs = torch.from_numpy(rng.standard_normal((size, members * channels, height, width)))
    labels = torch.from_numpy(rng.integers(skeleton.classes, size=(members, size)))
    return Batch(inputs, labels, [np.random.default_rng((9, number)) for number in range(members)])


def plain_loss(cell, network, batch):
    logits = plain_network.run_network(CELL201, CELL201.parse(cell), network, batch.inputs)
    probabilities = torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)
    total = 0
    for number, label in enumerate(batch.labels[0].tolist()):
        total = total - torch.log(probabilities[number, label])
    return total / len(batch.inputs)


def layers_of(network):
    """Return the weights of convolutions and classifier, found by name."""
    return [value for name, value in network.named_parameters() if name.endswith("weight")]


def plain_gradients(cell, network, batch):
    return torch.autograd.grad(plain_loss(cell, network, batch), layers_of(network))


def plain_grad_norm(cell, network, batch, monkeypatch):
    return sum(
        math.sqrt(sum(value**2 for value in each.flatten().tolist())) for each in plain_gradients(cell, network, batch)
    )


def plain_snip(cell, network, batch, monkeypatch):
    total = 0.0
    for weight, gradient in zip(layers_of(network), plain_gradients(cell, network, batch), strict=True):
        for one, other in zip(weight.flatten().tolist(), gradient.flatten().tolist(), strict=True):
            total += abs(one * other)
    return total


def plain_grasp(cell, network, batch, monkeypatch):
    """The Hessian's product with the gradient as a central difference of gradients along the gradient."""
    step, moved = 1e-5, []
    start = plain_gradients(cell, network, batch)
    for sign in (1, -1):
        with torch.no_grad():
            for weight, gradient in zip(layers_of(network), start, strict=True):
                weight.add_(sign * step * gradient)
        moved.append(plain_gradients(cell, network, batch))
        with torch.no_grad():
            for weight, gradient in zip(layers_of(network), start, strict=True):
                weight.sub_(sign * step * gradient)
    pairs = zip(layers_of(network), *moved, strict=True)
    return -sum(float((weight.detach() * (after - before)).sum()) / (2 * step) for weight, after, before in pairs)


def plain_fisher(cell, network, batch, monkeypatch):
    kept = []
    convolve, run = plain_network.convolve, plain_network.run_network
    monkeypatch.setattr(plain_network, "convolve", lambda *given: kept.append(convolve(*given)) or kept[-1])
    monkeypatch.setattr(plain_network, "run_network", lambda *given: kept.append(run(*given)) or kept[-1])
    gradients = torch.autograd.grad(plain_loss(cell, network, batch), kept)
    total = 0.0
    for activation, gradient in zip([one.detach() for one in kept], gradients, strict=True):
        for channel in range(activation.shape[1]):
            effects = [float((activation[n, channel] * gradient[n, channel]).sum()) for n in range(len(activation))]
            total += sum(effect**2 for effect in effects) / len(effects) / 2
    return total


def plain_synflow(cell, network, batch, monkeypatch):
    monkeypatch.setattr(plain_network, "normalise", lambda values, scale, shift: values)
    with torch.no_grad():
        for weight in layers_of(network):
            weight.abs_()
    ones = torch.ones((1, *batch.inputs.shape[1:]), dtype=torch.float64)
    flow = plain_network.run_network(CELL201, CELL201.parse(cell), network, ones).sum()
    gradients = torch.autograd.grad(flow, layers_of(network))
    return math.log(sum(float((w.detach() * g).sum()) for w, g in zip(layers_of(network), gradients, strict=True)))


def plain_jacob_cov(cell, network, batch, monkeypatch):
    inputs = batch.inputs.clone().requires_grad_()
    plain_network.run_network(CELL201, CELL201.parse(cell), network, inputs).sum().backward()
    values = np.linalg.eigvals(np.corrcoef(inputs.grad.flatten(1).numpy())).real
    return -sum(math.log(value + 1e-5) + 1 / (value + 1e-5) for value in values)


def recorded_relus(monkeypatch):
    kept, clamp = [], torch.clamp
    monkeypatch.setattr(torch, "clamp", lambda values, min: kept.append(clamp(values, min=min)) or kept[-1])
    return kept


def plain_naswot(cell, network, batch, monkeypatch):
    kept = recorded_relus(monkeypatch)
    plain_network.run_network(CELL201, CELL201.parse(cell), network, batch.inputs)
    codes = torch.cat([values.flatten(1) > 0 for values in kept], 1).tolist()
    kernel = [[sum(a == b for a, b in zip(one, other, strict=True)) for other in codes] for one in codes]
    return np.linalg.slogdet(np.array(kernel, dtype=np.float64)).logabsdet


def plain_zen(cell, network, batch, monkeypatch):
    rng = np.random.default_rng((9, 0))
    with torch.no_grad():
        for weight in layers_of(network):
            weight.copy_(torch.from_numpy(rng.standard_normal(tuple(weight.shape))))
    kept, spreads = recorded_relus(monkeypatch), []
    normalise = plain_network.normalise

    def spread(values, scale, shift):
        channels = [float(values[:, c].detach().numpy().var()) for c in range(values.shape[1])]
        spreads.append(math.log(math.sqrt(sum(channels) / len(channels))))
        return normalise(values, scale, shift)

    monkeypatch.setattr(plain_network, "normalise", spread)
    first, second = (torch.from_numpy(rng.standard_normal(tuple(batch.inputs.shape))) for _ in range(2))
    plain_network.run_network(CELL201, CELL201.parse(cell), network, first)
    clean, scales = kept[-1], list(spreads)
    plain_network.run_network(CELL201, CELL201.parse(cell), network, first + 0.01 * second)
    change = sum(float((clean[n] - kept[-1][n]).detach().abs().sum()) for n in range(len(clean))) / len(clean)
    return math.log(change) + sum(scales)


PLAIN = {
    name.removeprefix("plain_"): function for name, function in list(globals().items()) if name.startswith("plain_")
}


def test_names_are_those_of_the_file():
    assert (*FREE, *PROXIES) == NAMES


@pytest.mark.parametrize("skeleton", [SIGNAL, IMAGE, POOLED], ids=["signal", "image", "pooled"])
@pytest.mark.parametrize("cell", CELLS, ids=["dense", "sparse"])
@pytest.mark.parametrize("name", PROXIES)
def test_proxy_agrees_with_a_plain_loop(name, cell, skeleton, monkeypatch):
    truth = PLAIN[name](cell, build([cell], skeleton), examples(1, skeleton), monkeypatch)
    monkeypatch.undo()
    (found,) = PROXIES[name](build([cell], skeleton), examples(1, skeleton))
    tolerance = 1e-5 if name == "grasp" else 1e-9  # grasp's truth is a difference quotient
    assert found == pytest.approx(truth, rel=tolerance, abs=1e-9)
    assert math.isfinite(found)


@pytest.mark.parametrize("name", PROXIES)
def test_members_do_not_know_of_each_other(name):
    """Different cells, different examples, fused: what each would have alone."""
    cells = [CELLS[0], CELLS[1], SKIP, CHAIN, CELLS[0]]
    together = PROXIES[name](build(cells, SIGNAL), examples(5, SIGNAL))
    batch = examples(5, SIGNAL)
    for number, cell in enumerate(cells):
        network = Network(CELL201, [CELL201.parse(cell)], SIGNAL).double()
        network.initialise([np.random.default_rng((0, number))])
        alone = Batch(
            batch.inputs[:, number : number + 1],
            batch.labels[number : number + 1],
            [np.random.default_rng((9, number))],
        )
        (found,) = PROXIES[name](network.train(), alone)
        assert together[number] == pytest.approx(found, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", PROXIES)
def test_zero_cell_has_no_signal(name):
    """Without a bias nothing but zeros comes out: sums are 0, logarithms and correlations are not defined."""
    network = build([ZERO], SIGNAL)
    torch.nn.init.zeros_(network.classifier.bias)
    (found,) = PROXIES[name](network, examples(1, SIGNAL, size=16))
    expected = {"synflow": -math.inf, "jacob_cov": math.nan, "naswot": -math.inf, "zen": -math.inf}.get(name, 0.0)
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_grasp_is_positive_where_smaller_weights_have_a_larger_gradient():
    """By definition: scaling all weights by 1 - e changes the squared norm of the gradient by 2 e times the score."""
    step = 1e-5
    for seed in range(4):
        (score,) = grasp(build([CELLS[0]], SIGNAL, seed), examples(1, SIGNAL))
        norms = []
        for factor in (1 - step, 1 + step):
            network = build([CELLS[0]], SIGNAL, seed)
            with torch.no_grad():
                for weight in layers_of(network):
                    weight.mul_(factor)
            gradients = plain_gradients(CELLS[0], network, examples(1, SIGNAL))
            norms.append(sum(float(gradient.square().sum()) for gradient in gradients))
        assert norms[0] - norms[1] == pytest.approx(2 * (2 * step) * score, rel=1e-4, abs=1e-12)


def test_grasp_of_layers_before_batch_norm_is_the_square_of_their_gradients():
    """Scaling such a layer changes nothing, so that H w = -g in it: its share is |g|^2, above 0 whatever the weights."""
    step = 1e-5
    for seed in range(3):
        network, batch = build([CHAIN], SIGNAL, seed), examples(1, SIGNAL)
        (score,) = grasp(network, batch)
        start, moved = plain_gradients(CHAIN, network, batch), []
        for sign in (1, -2):
            with torch.no_grad():
                for weight, gradient in zip(layers_of(network), start, strict=True):
                    weight.add_(sign * step * gradient)
            moved.append(plain_gradients(CHAIN, network, batch)[-1])
        classifier = -float((layers_of(network)[-1].detach() * (moved[0] - moved[1])).sum()) / (2 * step)
        squares = sum(float(gradient.square().sum()) for gradient in start[:-1])
        assert squares > 1e-3 and score - classifier == pytest.approx(
            squares, rel=0.02
        )  # not exactly: 1e-5 in the variance


def test_synflow_of_a_chain_is_its_flow_times_its_layers():
    """Each layer of a chain carries the whole flow: sum |w| dR/d|w| = layers * R (Tanaka et al., conservation by layer)."""
    network = build([CHAIN], SIGNAL)
    (score,) = synflow(network, examples(1, SIGNAL))  # leaves absolute weights
    values = torch.ones((1, 1, 1, 12), dtype=torch.float64)
    for unit in weighted(network)[:-1]:
        values = plain_network.convolve(values, unit.weight.detach())
    flow = float((values.mean((2, 3)) @ network.classifier.weight[0].detach()).sum())
    assert score == pytest.approx(math.log(5 * flow), rel=1e-12)  # stem, three convolutions, classifier


def test_synflow_does_not_overflow():
    """Raw values above 1e30 are on record; the logarithm of 1e60 times the weights is 60 log 10 more."""
    score = synflow(build([CHAIN], SIGNAL), examples(1, SIGNAL))
    network = build([CHAIN], SIGNAL)
    with torch.no_grad():
        for weight in layers_of(network):
            weight.mul_(1e60)
    assert synflow(network, examples(1, SIGNAL)) - score == pytest.approx(5 * 60 * math.log(10), rel=1e-9)


def test_examples_that_are_told_apart_score_higher():
    alike, different = examples(1, IMAGE), examples(1, IMAGE)
    alike.inputs[1:] = alike.inputs[:1] + 0.05 * alike.inputs[1:]
    for proxy in (jacob_cov, naswot):
        assert proxy(build([CELLS[0]], IMAGE), different)[0] > proxy(build([CELLS[0]], IMAGE), alike)[0]
    alike.inputs[1] = alike.inputs[0]
    assert naswot(build([CELLS[0]], IMAGE), alike)[0] == -math.inf


def test_weightless_cell_on_a_signal_has_too_few_codes():
    """Behind a pointwise stem every place is on one of two sides of one threshold: 12 places can't tell 20 examples apart."""
    (found,) = naswot(build([SKIP], SIGNAL), examples(1, SIGNAL, size=20))
    assert found == -math.inf
    assert math.isfinite(naswot(build([CHAIN], SIGNAL), examples(1, SIGNAL, size=20))[0])


def test_zen_of_more_layers_is_higher():
    scores = [np.mean(zen(build([cell] * 8, SIGNAL), examples(8, SIGNAL))) for cell in (SKIP, CHAIN)]
    assert scores[1] > scores[0] + 1


@pytest.mark.parametrize("name", ["grad_norm", "snip", "fisher"])
def test_gradients_of_more_convolutions_add_up(name):
    """Sums of what is not negative, over more layers: higher in the mean over many initialisations."""
    scores = [PROXIES[name](build([cell] * 16, SIGNAL), examples(16, SIGNAL)).mean() for cell in (SKIP, CHAIN)]
    assert scores[1] > scores[0] > 0
