"""Words of the page of findings about optimizers; it holds no number that is measured."""

from __future__ import annotations

from .findings import SMALLEST_RATIO
from .optimizer_advantage import FEWEST_SEEDS

INTRODUCTION = (
    "External facts of hand-designed and learned optimizers, held against the shipped table `data/optimizers.h5`: "
    "{runs} runs of {optimizers} optimizers on {tasks} tasks, trained here on a CPU. Tuned optimizers had {trials} "
    "quasi-random trials a task, chosen by the outer loss on {tuning_seeds} tuning seeds; what is printed is of fresh seeds. "
    "Learned ones were meta-trained for minutes."
)
RULES = (
    "Verdicts are computed, by one rule for all. What is compared is the mean loss of the strongest of the others "
    "over the mean loss of the one that the claim is about, both on the same seeds: above 1 the one is better. "
    "*Better*: agrees where the 95 % bootstrap interval of that ratio is above 1 and the ratio at least "
    f"{SMALLEST_RATIO:g}, disagrees where it is below by as much. *Worse*: the other way round. *Level* (a tie): "
    f"agrees where the whole interval lies between 1/{SMALLEST_RATIO:g} and {SMALLEST_RATIO:g}, disagrees where "
    "better or worse can be told. Everything else can't be told here, nor can what rests on fewer than "
    f"{FEWEST_SEEDS} seeds (the range over single seeds is printed) or on a learned optimizer whose meta-training "
    "was not finished: the last check on held-out instances was its best and brought at least its share of the "
    "whole progress. Seeds are resampled for all optimizers together, and which is the strongest is found anew in "
    "each resample. Intervals are over seeds of these tasks, for one meta-training and one choice of trials: they hold "
    "no noise of tuning, though other quasi-random trials would move a tuned optimizer, the less the more trials it has; each "
    "stands by itself, so that of many claims a few may be judged wrongly by chance."
)
QUADRATICS = (
    "Ten-dimensional quadratics, 128 to a seed, 100 steps: Gaussian ones as in the paper of L2L, uniform ones as "
    "DeepMind released them. Adam's anchor above needs no table: it is computed in numpy on problems drawn for it. "
    "The parameters of a seed are one flat vector, so that no rule mixes its problems: Muon, which orthogonalises "
    "matrices, is AdamW (betas .9, .95) here. Momentum, learning rate and what else a search space holds were tuned together, "
    "so that the order depends on spaces and trials, as any tuned order does."
)
STUDY = (
    "The paper draws the training loss of the network that L2L was meta-trained on (20 sigmoid units) and of "
    "changed ones; so do these panels, on digits of 8 x 8 pixels. Training loss is what L2L was made for. Test "
    "loss, which the rest of the report ranks on, tells another story: it stands in the table. Beyond its own "
    "horizon every optimizer keeps the setting that was tuned for 1x."
)
LADDER = (
    "Ratios of last test losses: above 1 the learned optimizer is better. Distance: the nearest of the tasks that "
    "it was meta-trained on. Overlap is decided by hash: *same task* on fresh instances, *same data* with another "
    "model. Pays after: number of tasks after which meta-training has paid for itself against the tuned baseline "
    "(all its trials on every tuning seed, then one run), which has to reach that baseline's own loss; nearly all "
    "of what is saved is the baseline's tuning. Work is counted as (forward + backward passes) x examples x "
    "parameters of the *task*: the learned optimizer's own network is not in it, and meta-training on a small task "
    "is cheap by this count, so that a count of 1 on a larger task says no more than that. Milliseconds a step, "
    "measured, are in the report's table. Meta-training work includes validation."
)
SCORES = (
    "Profile score: performance profile of the median steps to target, integrated to four times the fastest of the "
    "ruleset (it changes with the pool); where a seed draws the problem (quadratics, regressions) a target is a multiple of the "
    "lowest loss that a target setter reaches on that seed; by work: the same with counted work in the place of steps. Speed-up: how many "
    "times fewer steps than the tuned baseline are needed to the smoothed loss at which the worse of the two ends, geometric "
    "mean over tasks. ± half the width of the 95 % bootstrap interval over seeds. A step: gradients as counted; milliseconds with "
    "the gradient, measured on a busy machine, median over tasks; the same over SGD's on the same task, median. Nothing is "
    "ranked on milliseconds. Where "
    "every optimizer computes one gradient a step, profiles by work are those by steps: counted work does not hold the "
    "optimizer's own arithmetic, which the last column shows."
)
MLP = (
    "The small MLP optimizer of google/learned_optimization was meta-trained here with persistent evolution "
    "strategies for {outer_steps} outer steps, {minutes} minutes on a CPU; the published ones had thousands of "
    "accelerator hours, many more tasks and longer runs. Its numbers on this page are those of a small meta-training, no bound of "
    "the method. The rule above is applied to every learned optimizer:"
)
CAPTIONS = {
    "claims": (
        "Claims held against the table. Ratio of losses with its interval; circle: agrees; cross: disagrees; "
        f"diamond: can't be told; grey: too small to name. Bars of fewer than {FEWEST_SEEDS} seeds are the range "
        "over single seeds."
    ),
    "quadratics": (
        "Losses on the quadratics, best final loss first. Filled: final loss after 100 steps; hollow: mean of the "
        "trajectory; bars: 95 % bootstrap interval of the mean over seeds. Orange: learned. Untrained L2L, which "
        "diverges, is not drawn."
    ),
    "generalization": (
        "Training loss on other networks and horizons. Thick: L2L, meta-trained on the network of the first panel "
        "for 100 steps; thin: the paper's hand-designed optimizers, tuned; grey: the strongest other tuned "
        "optimizer at the end of the panel. Mean over seeds; bands: 95 % bootstrap interval of the mean, or the "
        f"range where there are fewer than {FEWEST_SEEDS} seeds. Grey vertical line: the horizon of meta-training. "
        "Lines that leave the panel are below 0.0001."
    ),
    "ladder": (
        "Advantage of learned optimizers by distance. Filled: over tuned Adam; hollow: over the strongest tuned "
        "optimizer of the table; a point is a task at a horizon. Bars: 95 % bootstrap interval, or the range over "
        f"single seeds where there are fewer than {FEWEST_SEEDS}."
    ),
    "meta-training": (
        "Course of the meta-trainings. Loss on held-out instances over that of the first check, at each check; the "
        "weights with the lowest were kept."
    ),
}
