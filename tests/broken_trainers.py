"""Trainers for tests of the build that break in chosen ways; named by string, since workers are fresh processes."""

import errno
import json
import os
import signal
import time
from pathlib import Path

import numpy as np

import nasbench.journal
import nasbench.worker
from nasbench.groups import group_of
from nasbench.journal import Examples
from nasbench.recipe import parse_recipe
from nasbench.rehearsal import RehearsalTrainer

BROKEN = "broken_trainers:BrokenTrainer"


def tiny_recipe(*, repeats=2, group=2, epochs=4, seed=0, evaluate_every=1):
    """60 classes of a 3-node space; nothing is trained with it unless a test says so."""
    return parse_recipe(
        f"""
        name = "tiny"
        version = 1
        space = "cell201-3node"
        epochs = {epochs}
        batch_size = 32
        repeats = {repeats}
        group = {group}
        seed = {seed}
        evaluate_every = {evaluate_every}
        dataset = {{ name = "digits", train = 96, validation = 100, test = 100 }}
        skeleton = {{ channels = 2, stages = 2, cells = 1, stem = "conv1x1", downsample = "pool" }}
        """,
        "tiny",
    )


def plan(folder, **settings):
    """Write down how a `BrokenTrainer` is to break and return its device."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(settings))
    return f"broken:{folder}"


class BrokenTrainer:
    """A rehearsal that breaks as its plan says.

    The plan's keys: `groups`: by group, what happens at its first, second, ... attempt; `start`: what happens at the start;
    `environment`: a word for the environment; `shift`: added to the counts of all; `data`: a word for the data set;
    `seconds`: how long a training takes; `disk`: group at which the disk fills up for this process.
    """

    def __init__(self, recipe, device):
        self.folder = Path(device.partition(":")[2])
        self.plan = json.loads((self.folder / "plan.json").read_text())
        self.recipe = recipe
        self.inner = RehearsalTrainer(recipe, f"rehearsal:{self.plan.get('seconds', 0)}")
        self.environment = {"trainer": "broken", "word": self.plan.get("environment", "here")}
        splits = {split: (size, self.plan.get("data", "made up")) for split, size in recipe.split_sizes.items()}
        self.examples = Examples((1, 8, 8), 10, splits)
        (self.folder / f"started-{os.getpid()}").touch()
        self._act(self.plan.get("start"), None)

    def train(self, keys, epochs=None, watch=None):
        group = group_of(self.recipe, keys[0])
        acts = self.plan.get("groups", {}).get(str(group), [])
        attempt = len(list(self.folder.glob(f"attempt-{group}-*")))
        (self.folder / f"attempt-{group}-{attempt}").write_text(f"{os.getpid()} {time.monotonic()}")
        if group == self.plan.get("disk"):
            self._fill_disk()
        if attempt < len(acts):
            self._act(acts[attempt], group)
        results = self.inner.train(keys, epochs, watch)
        shift = np.int32(self.plan.get("shift", 0))
        if shift:
            for result in results:
                counts = result.counts("validation")
                counts[counts > 0] -= shift
                result.correct["validation"] = counts.astype("<i4").tobytes()
        (self.folder / f"finished-{group}-{attempt}").write_text(str(time.monotonic()))
        return results

    def _act(self, act, group):
        if act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif act == "error":
            raise MemoryError("no memory for the activations")
        elif act == "hang":
            time.sleep(1000)
        elif act == "kill after journalling":
            real = nasbench.worker.JournalWriter.append

            def append(writer, payload):
                real(writer, payload)
                os.kill(os.getpid(), signal.SIGKILL)

            nasbench.worker.JournalWriter.append = append

    def _fill_disk(self):
        nasbench.journal.time.sleep = lambda seconds: None

        def full(descriptor, content):
            raise OSError(errno.ENOSPC, "No space left on device")

        nasbench.journal.os.write = full
