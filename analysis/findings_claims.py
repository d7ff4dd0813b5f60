"""The claims of the literature that these tables can speak to, and those that they can't yet.

Entrants are named as in the protocols nas-bench-201-all, -long, -opponents, -transfer and -from-mnist1d, cell201-mnist1d and its
-proxies; a claim without an entrant stands here so that a reader sees what is missing.
"""

from __future__ import annotations

from .findings import Claim

RL = "REINFORCE has independent logits here, not the paper's LSTM controller."
WARM = (
    "Feurer et al., AAAI 2015; an upper bound: the ten are the best by the mean of all repeats of the whole other table, which nobody "
    "was charged for"
)
CHEAP = (
    "Feurer et al., AAAI 2015; an upper bound: the ten are the best of a whole table, which nobody was charged for (it took 7.8 "
    "core-hours on a CPU; a run's budget here is 51 to 308 GPU-hours)"
)
NOISE = "selection under noise; true accuracy: the mean over repeats, the observed one among them"
REPEATS = (
    "this project's policy on duplicates; counted by rows of the table: strings on nas-bench-201, classes of equal function on tables "
    "that were trained here"
)
REAL = "Real et al., AAAI 2019, arXiv:1802.01548"
WHITE = "White et al., UAI 2021, arXiv:2005.02960"
BANANAS = "White et al., AAAI 2021, arXiv:1910.11858"
ABDELFATTAH = "Abdelfattah et al., ICLR 2021, arXiv:2101.08134"
MELLOR = "Mellor et al., ICML 2021, arXiv:2006.04647"
SMALL_NETWORKS = "Networks of one cell and up to some thousand parameters here, of fifteen cells there."
SIZE = "Real et al. searched NASNet's space with thousands of trainings and a population of 100; here a run has about 100 trainings."
LONG = "About 1,000 trainings a run; the papers made 12,800 (Zoph & Le), 20,000 (Zoph et al., Real et al.)."
PNAS = "Liu et al., ECCV 2018, arXiv:1712.00559"
ENCODING = (
    "The paper's spaces have free edges, written as an adjacency matrix; here six edges are fixed and their operations, one-hot, say all. "
    "The path encoding is cut to its first 30 bits as in the authors' code, so that paths of three operations are not in it."
)
EARLY = "Li et al., JMLR 2018, arXiv:1603.06560"
FALKNER = "Falkner et al., ICML 2018, arXiv:1807.01774"
FULL = "One table of small networks; a run's budget is worth about 100 full trainings of random cells."
ELSKEN = "Elsken et al., ICLR 2019, arXiv:1804.09081"
FROM_SCRATCH = (
    "Every network is trained from scratch here, where the paper's children inherit weights; a run has about 100 trainings, the paper's "
    "thousands."
)
RACE = "A difference in detail may remain between the two programs under one name."

CLAIMS = (
    Claim("Evolution beats random search at the end", REAL, "contrast", "regularized-evolution", "random-search", 1.0, SIZE),
    Claim("Evolution beats random search early (a quarter of the budget)", REAL, "contrast", "regularized-evolution",
          "random-search", 0.25, SIZE),
    Claim("Evolution beats reinforcement learning early (a quarter of the budget)", REAL, "contrast",
          "regularized-evolution", "reinforce", 0.25, SIZE),
    Claim("Reinforcement learning is no worse than evolution at the end", REAL, "not worse", "reinforce",
          "regularized-evolution", 1.0, SIZE + " " + RL),
    Claim("Reinforcement learning beats random search at the end", REAL, "contrast", "reinforce", "random-search", 1.0,
          SIZE + " " + RL),
    Claim("With ten times the budget NAS-RL beats random search", "Zoph & Le, ICLR 2017, arXiv:1611.01578", "contrast",
          "nas-rl-long", "random-search-long", 1.0, LONG),
    Claim("With ten times the budget NASNet's PPO beats random search", "Zoph et al., CVPR 2018, arXiv:1707.07012", "contrast",
          "nas-ppo-long", "random-search-long", 1.0, LONG),
    Claim("With ten times the budget REINFORCE beats random search", "Ying et al., ICML 2019, arXiv:1902.09635", "contrast",
          "reinforce-long", "random-search-long", 1.0, LONG),
    Claim("With ten times the budget evolution with the paper's population of 100 beats random search", REAL, "contrast",
          "regularized-evolution-paper-long", "random-search-long", 1.0, LONG),
    Claim("With ten times the budget evolution is ahead of reinforcement learning early (a quarter of it)", REAL, "contrast",
          "regularized-evolution-paper-long", "reinforce-long", 0.25, LONG),
    Claim("Local search is a strong baseline: it beats random search", WHITE, "contrast", "local-search", "random-search"),
    Claim("Local search is no worse than regularized evolution", WHITE, "not worse", "local-search",
          "regularized-evolution"),
    Claim("Local search is no worse than BANANAS, noise not reduced", WHITE, "not worse", "local-search", "bananas",
          1.0, "The paper says so of noise reduced to a minimum; here an answer is one training, and this goes beyond its claim."),
    Claim("BANANAS beats random search", BANANAS, "contrast", "bananas", "random-search"),
    Claim("BANANAS' predictor is what helps: with a random scorer it is worse", BANANAS, "contrast", "bananas",
          "bananas-random-scorer"),
    Claim("A model helps: SMAC beats random search", "Ying et al., ICML 2019, arXiv:1902.09635", "contrast", "smac",
          "random-search"),
    Claim("TPE beats random search", "Bergstra et al., ICML 2013", "contrast", "tpe", "random-search"),
    Claim("Winner's curse: random search's incumbent looks better than it is", NOISE, "amount",
          "random-search", measure="gap"),
    Claim("Winner's curse: evolution's incumbent looks better than it is", NOISE, "amount",
          "regularized-evolution", measure="gap"),
    Claim("Evolution spends trainings on cells it has trained before", REPEATS,
          "amount", "regularized-evolution", measure="repeats"),
    Claim("Our TPE is no worse than Optuna's at equal settings", "this project's expectation", "not worse", "tpe",
          "optuna-tpe-equal", 1.0, RACE),
    Claim("Our TPE is no worse than Optuna's with its defaults", "this project's expectation", "not worse", "tpe", "optuna-tpe",
          1.0, "Optuna's defaults model all decisions together, ours each by itself as hyperopt does; they take a tenth of the "
          "observations as good, ours ceil(sqrt(n) / 4), and 10 random starts, ours 20."),
    Claim("Our TPE that chooses among whole architectures is no worse than Optuna's with its defaults", "this project's expectation",
          "not worse", "tpe-joint", "optuna-tpe", 1.0, "Optuna's densities are mixtures of kernels over whole architectures, ours "
          "products over decisions; and it takes a tenth of the observations as good, ours ceil(sqrt(n) / 4)."),
    Claim("Our SMAC is no worse than SMAC3 at equal settings", "this project's expectation", "not worse", "smac-racing", "smac3",
          1.0, RACE),
    Claim("Our SMAC is no worse than SMAC3 with its defaults", "this project's expectation", "not worse", "smac-racing",
          "smac3-default", 1.0, "SMAC3's defaults start from 25 cells of a Sobol design, ours from 37 random ones, and fit fewer forests."),
    Claim("Our SMAC is no worse than SMAC3 at equal settings, without racing", "this project's expectation", "not worse",
          "smac-no-race", "smac3-no-race", 1.0, RACE),
    Claim("Starting from the ten best cells of CIFAR-10 saves evolution time to the same regret", WARM, "ratio", "evolution-warm",
          "evolution-scratch"),
    Claim("Starting from the ten best cells of CIFAR-10 saves local search time to the same regret", WARM, "ratio", "local-warm",
          "local-scratch"),
    Claim("Starting from the ten best cells of CIFAR-10 saves random draws time to the same regret", WARM, "ratio", "random-warm",
          "random-scratch"),
    Claim("Starting from the ten best cells of MNIST-1D saves evolution time to the same regret", CHEAP, "ratio",
          "evolution-from-mnist1d", "evolution-scratch"),
    Claim("Starting from the ten best cells of MNIST-1D saves local search time to the same regret", CHEAP, "ratio",
          "local-from-mnist1d", "local-scratch"),
    Claim("Starting from the ten best cells of MNIST-1D saves random draws time to the same regret", CHEAP, "ratio",
          "random-from-mnist1d", "random-scratch"),
    Claim("Training a random pool in the order of synflow beats random search", ABDELFATTAH, "contrast", "rank-synflow",
          "random-search", 1.0, SMALL_NETWORKS),
    Claim("... and beats the order of parameters, which costs nothing", "Ning et al., NeurIPS 2021, arXiv:2008.03064", "contrast",
          "rank-synflow", "rank-parameters", 1.0, SMALL_NETWORKS),
    Claim("Training a random pool in the order of naswot beats random search", MELLOR, "contrast", "rank-naswot", "random-search",
          1.0, SMALL_NETWORKS),
    Claim("A warm-up by synflow helps evolution", ABDELFATTAH, "contrast", "evolution-synflow", "regularized-evolution", 1.0,
          SMALL_NETWORKS),
    Claim("A warm-up by synflow helps evolution early (a quarter of the budget)", ABDELFATTAH, "contrast", "evolution-synflow",
          "regularized-evolution", 0.25, SMALL_NETWORKS),
    Claim("Moves by synflow help evolution", ABDELFATTAH, "contrast", "evolution-synflow-move", "regularized-evolution", 1.0,
          SMALL_NETWORKS),
    Claim("Reinforcement learning's incumbent looks better than it is", NOISE, "amount", "reinforce", measure="gap"),
    Claim("BANANAS' incumbent looks better than it is", NOISE, "amount", "bananas", measure="gap"),
    Claim("SMAC's incumbent looks better than it is, by its best training, which this suite reports", NOISE, "amount", "smac",
          measure="gap"),
    Claim("SMAC's incumbent looks better than it is, by the mean of its trainings in the run, which SMAC goes by",
          "selection under noise; racing trains the incumbent several times to avoid this (Hutter et al., LION 2011)", "amount",
          "smac", measure="told"),
    Claim("Reinforcement learning spends trainings on cells it has trained before", REPEATS, "amount", "reinforce",
          measure="repeats"),
    Claim("Hyperband is ahead of random search early (a tenth of the budget)", EARLY, "contrast", "hyperband", "random-search",
          0.1, FULL, fidelities=True),
    Claim("Successive halving is ahead of random search early (a tenth of the budget)", "Jamieson & Talwalkar, AISTATS 2016, "
          "arXiv:1502.07943", "contrast", "successive-halving", "random-search", 0.1, FULL, fidelities=True),
    Claim("ASHA is ahead of random search early (a tenth of the budget)", "Li et al., MLSys 2020, arXiv:1810.05934", "contrast",
          "asha", "random-search", 0.1, FULL, fidelities=True),
    Claim("BOHB is ahead of random search early (a tenth of the budget)", FALKNER, "contrast", "bohb-paper", "random-search", 0.1,
          FULL, fidelities=True),
    Claim("DEHB is ahead of random search early (a tenth of the budget)", "Awad et al., IJCAI 2021, arXiv:2105.09821",
          "contrast", "dehb", "random-search", 0.1, FULL, fidelities=True),
    Claim("BOHB's model helps: it beats Hyperband with the same brackets at the end", FALKNER, "contrast", "bohb-paper",
          "hyperband-hpbandster", 1.0, FULL,
          fidelities=True),
    Claim("Hyperband is no worse than random search at the end", EARLY, "not worse", "hyperband", "random-search", 1.0, FULL,
          fidelities=True),
)  # fmt: skip

PREDICTOR_CLAIMS = (
    Claim("BANANAS' path encoding ranks held-out cells better than the operations as they stand (25 trained cells)", BANANAS,
          "correlation", "bananas-path", "bananas-one-hot", differs=ENCODING, cells=25),
    Claim("BANANAS' path encoding ranks held-out cells better than the operations as they stand (100 trained cells)", BANANAS,
          "correlation", "bananas-path", "bananas-one-hot", differs=ENCODING, cells=100),
    Claim("PNAS' predictor ranks cells that are larger than those it was trained on (50 smaller cells)", PNAS, "correlation",
          "pnas-smaller", cells=50),
    Claim("PNAS' predictor ranks cells of the size it was trained on better than larger ones (50 trained cells)", PNAS,
          "correlation", "pnas", "pnas-smaller", cells=50),
)  # fmt: skip
"""Of predictors inside strategies: keys of `nasbench.predictor_quality.PREDICTORS`."""

PARETO_CLAIMS = (
    Claim("LEMONADE's sampling by the density of cheap objectives finds better trade-offs than uniform sampling", ELSKEN,
          "hypervolume", "lemonade", "lemonade-uniform", differs=FROM_SCRATCH),
    Claim("The same, early (a quarter of the budget)", ELSKEN, "hypervolume", "lemonade", "lemonade-uniform", 0.25,
          FROM_SCRATCH),
    Claim("LEMONADE finds better trade-offs than random search", ELSKEN, "hypervolume", "lemonade", "random-search",
          differs=FROM_SCRATCH),
    Claim("NSGA-II finds better trade-offs than random search", "Lu et al., GECCO 2019, arXiv:1810.03522", "hypervolume",
          "nsga2", "random-search"),
    Claim("Searching for trade-offs finds better ones than searching for accuracy: NSGA-II against evolution",
          "Lu et al., GECCO 2019, arXiv:1810.03522", "hypervolume", "nsga2", "regularized-evolution"),
    Claim("MnasNet's soft reward covers more of the front than its hard one", "Tan et al., CVPR 2019, arXiv:1807.11626",
          "hypervolume", "mnasnet", "mnasnet-hard"),
)  # fmt: skip
"""Entrants of nas-bench-201-pareto and nas-bench-201-pareto-latency."""

PROXY_CLAIMS = (
    Claim("synflow ranks cells better than their number of parameters does", ABDELFATTAH, "correlation", "synflow",
          "parameters", differs=SMALL_NETWORKS),
    Claim("naswot ranks cells better than their number of parameters does", MELLOR,
          "correlation", "naswot", "parameters", differs=SMALL_NETWORKS),
    Claim("zen ranks cells better than their number of parameters does", "Lin et al., ICCV 2021, arXiv:2102.01063",
          "correlation", "zen", "parameters", differs=SMALL_NETWORKS),
    Claim("synflow says more than size: it ranks cells of equal parameters", ABDELFATTAH, "correlation", "synflow",
          measure="within", differs=SMALL_NETWORKS),
    Claim("naswot says more than size: it ranks cells of equal parameters", MELLOR,
          "correlation", "naswot", measure="within", differs=SMALL_NETWORKS),
    Claim("synflow still ranks the best tenth of the cells", ABDELFATTAH, "correlation", "synflow", measure="best",
          differs=SMALL_NETWORKS),
)  # fmt: skip
"""Of proxies in `nasbench.proxy_table.NAMES`."""
