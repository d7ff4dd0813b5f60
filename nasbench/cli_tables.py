"""Commands that make tables and train: `import`, `build`, `retrain`, `audit`, `calibrate`. Filled in with their modules."""

from __future__ import annotations

import argparse
from collections.abc import Callable

AddCommand = Callable[[str, Callable[[argparse.Namespace], int | None], str], argparse.ArgumentParser]


def add_table_commands(command: AddCommand) -> None:
    """Add the commands to the parser that `cli.py` makes."""
