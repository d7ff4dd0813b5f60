"""What the pipeline gains: core-seconds per training of a plain loop, of one network at a time, and of fused groups.

Run as `python -m nasbench.perf_pipeline --device cpu`, or `make perf`. The same cells, recipe, batches and epochs are timed in
one run, each way in turn, several rounds; the median over the rounds is printed. On a CPU the unit is core-seconds, the
processor time of the whole process (so that a way that occupies two cores for one second costs two); on a GPU it is wall
seconds of the device. The three ways:

- plain: what a script usually does. One network at a time, `torch.utils.data.DataLoader` over the training examples, default
  memory layout, default number of threads, `torch.optim.SGD`, evaluation through a `DataLoader`. (The allocator is tuned
  as for the others, which favours it.) On a CPU a second line has the same with one thread.
- serial: this project's pipeline with groups of one.
- fused: this project's pipeline with the recipe's groups.

A whole table costs one training for each repeat of each string in the plain way (as NAS-Bench-201 was made), and one for
each repeat of each class here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from nasbench.batches import member_streams
from nasbench.dataset import Dataset, load_dataset
from nasbench.network import Network
from nasbench.pipeline import Training, configure_process, train_group
from nasbench.recipe import Recipe, load_recipe


def train_plainly(training: Training, recipe: Recipe, dataset: Dataset, epochs: int) -> float:
    """Train one network the usual way; return its validation accuracy as a fraction.

    Weights, order and augmentation-free batches follow the recipe; a recipe with augmentation is timed without it.
    """
    device = dataset.device
    streams = member_streams(recipe, recipe.cell_space.index(training.architecture), training.repeat)
    network = Network(
        recipe.cell_space, [training.architecture], recipe.build_skeleton(dataset.input_shape, dataset.classes)
    )
    network.to(device)
    network.initialise([streams.weights])
    order = torch.Generator().manual_seed(int(streams.order.integers(2**31)))
    splits = {
        split: TensorDataset(dataset.inputs[split].cpu(), dataset.labels[split].cpu()) for split in dataset.inputs
    }
    batches: DataLoader[tuple[torch.Tensor, ...]] = DataLoader(
        splits["train"], recipe.batch_size, shuffle=True, drop_last=True, generator=order
    )
    chosen = recipe.optimizer
    optimizer = torch.optim.SGD(
        network.parameters(),
        chosen.learning_rate,
        chosen.momentum,
        weight_decay=chosen.weight_decay,
        nesterov=chosen.nesterov,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * recipe.steps_per_epoch)
    correct = {"validation": 0, "test": 0}
    for _ in range(epochs):
        network.train()
        for inputs, labels in batches:
            loss = functional.cross_entropy(network(inputs.to(device))[0], labels.to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            for split in correct:
                correct[split] = 0
                for inputs, labels in DataLoader(splits[split], recipe.batch_size):
                    correct[split] += int((network(inputs.to(device))[0].argmax(1) == labels.to(device)).sum())
    return correct["validation"] / recipe.dataset.validation


def measure(work: Callable[[], object], device: torch.device) -> float:
    """Return the core-seconds (CPU) or wall seconds (GPU) of some work."""
    if device.type == "cpu":
        started = time.process_time()
        work()
        return time.process_time() - started
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return time.perf_counter() - started


def compare(recipe: Recipe, dataset: Dataset, cells: int, epochs: int, rounds: int, threads: int) -> dict[str, float]:
    """Return seconds per training for each way, `epochs` epochs long.

    Args:
        recipe: the recipe; its group is a multiple of its repeats.
        dataset: its data.
        cells: number of random classes, the same for all ways.
        epochs: epochs of each training.
        rounds: how often everything is timed; the median counts.
        threads: threads of the plain way, torch's default on this machine.
    """
    space = recipe.cell_space
    rng = np.random.default_rng(0)
    chosen = [int(space.classes[cell][0]) for cell in rng.permutation(len(space.classes))[:cells]]
    trainings = [Training(space.architecture(index), repeat) for index in chosen for repeat in range(recipe.repeats)]
    first = [training for training in trainings if training.repeat == 0]
    groups = [trainings[start : start + recipe.group] for start in range(0, len(trainings), recipe.group)]

    def plain(threads: int) -> None:
        torch.set_num_threads(threads)
        for training in first:
            train_plainly(training, recipe, dataset, epochs)
        torch.set_num_threads(recipe.threads)

    def grouped(some: Sequence[Sequence[Training]]) -> None:
        for group in some:
            train_group(group, recipe, dataset, epochs)

    ways: dict[str, tuple[Callable[[], None], int]] = {
        "plain": (lambda: plain(threads), len(first)),
        "plain, 1 thread": (lambda: plain(1), len(first)),
        "serial": (lambda: grouped([[one] for one in first]), len(first)),
        "fused": (lambda: grouped(groups), len(trainings)),
    }
    if dataset.device.type != "cpu" or threads == 1:
        del ways["plain, 1 thread"]
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, (work, count) in ways.items():
            found[way].append(measure(work, dataset.device) / count)
    return {way: float(np.median(seconds)) for way, seconds in found.items()}


def report(recipe: Recipe, seconds: dict[str, float], epochs: int, device: str) -> str:
    """Return the comparison as a table in text: how many times faster each way is than each plain one."""
    space = recipe.cell_space
    unit, hours = ("core-s", "core-h") if device == "cpu" else ("s", "h")
    plain = [way for way in seconds if way.startswith("plain")]
    trainings = {way: recipe.repeats * (space.size if way in plain else len(space.classes)) for way in seconds}
    whole = {way: value * recipe.epochs / epochs for way, value in seconds.items()}
    table = {way: whole[way] * trainings[way] / 3600 for way in seconds}
    head = f"{'way':<18}{unit + ' a training':>20}" + "".join(f"{'x ' + way:>18}" for way in plain)
    head += f"{hours + ' a table':>20}" + "".join(f"{'x ' + way:>18}" for way in plain)
    lines = [
        f"recipe {recipe.name} version {recipe.version}, group {recipe.group}, {recipe.epochs} epochs (timed: {epochs}), {device}",
        head,
    ]
    for way in seconds:
        line = f"{way:<18}{whole[way]:>20.3f}" + "".join(f"{whole[other] / whole[way]:>18.2f}" for other in plain)
        lines.append(line + f"{table[way]:>20.2f}" + "".join(f"{table[other] / table[way]:>18.1f}" for other in plain))
    lines.append(
        f"a table: {recipe.repeats} trainings of each of {space.size} strings (plain) or {len(space.classes)} classes (ours)"
    )
    lines.append("threads that wait for each other spin and count as used: time the plain way on an idle machine")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(prog="python -m nasbench.perf_pipeline", description=__doc__.split("\n")[0])
    parser.add_argument("recipe", nargs="?", default="mnist1d", help="name or path of a recipe (default: mnist1d)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--cells", type=int, default=6, help="number of random cells (default: 6)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs timed of each training (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts (default: 3)")
    parser.add_argument("--group", type=int, help="networks fused at once, instead of the recipe's number")
    parser.add_argument("--root", help="folder of the data set")
    chosen = parser.parse_args(arguments)
    recipe = load_recipe(chosen.recipe)
    if chosen.group:
        recipe = msgspec.structs.replace(recipe, group=chosen.group)
    threads = torch.get_num_threads()
    configure_process(recipe, chosen.device)
    dataset = load_dataset(recipe.dataset, chosen.device, chosen.root)
    seconds = compare(recipe, dataset, chosen.cells, chosen.epochs, chosen.rounds, threads)
    print(report(recipe, seconds, chosen.epochs, chosen.device))


if __name__ == "__main__":
    main()
