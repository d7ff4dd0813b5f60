"""torch's NAdam with a schedule, and with a `state_dict` that restores its bits for parameters of every dtype."""

from __future__ import annotations

from typing import Any

import torch

from ._schedule import Scheduled


class ScheduledNAdam(Scheduled, torch.optim.NAdam):
    """`torch.optim.NAdam` whose learning rate follows a schedule."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state; torch casts the product of momenta to the parameter's dtype, which float64 runs don't survive."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            if "mu_product" in state:
                state["mu_product"] = state["mu_product"].to(state["step"].dtype)
