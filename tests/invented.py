"""Language models in which every context has a distribution of its own: what is true of them is true of any writer."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Invented:
    """p(· | context) is drawn for each context, and the same whenever it is asked for.

    least    of <EOS>, wherever it stands
    longest  tokens before an <EOS>, if there is such a number
    coarse   probabilities are small whole numbers over their sum: some are 0, and many are equal
    """

    vocabulary_size: int
    seed: int
    least: float = 0.0
    longest: float = np.inf
    coarse: bool = False

    def distribution(self, context):
        V, rng = self.vocabulary_size, np.random.default_rng([self.seed, *context])
        if len(context) >= self.longest:
            return np.eye(V)[0]
        drawn = rng.dirichlet(np.full(V, 0.7))
        if self.coarse:
            drawn = rng.integers(0, 4, V)
            drawn[rng.integers(V)] += 1
            drawn = drawn / drawn.sum()
        return self.least * np.eye(V)[0] + (1 - self.least) * drawn

    def log_probabilities(self, sequences):
        with np.errstate(divide="ignore"):
            return [np.log([self.distribution(s[:t])[w] for t, w in enumerate(s)]) for s in sequences]


def every_sequence(model, most):
    """{tokens: log p} of all that have ended with at most so many tokens, and of all such that have not; no p is 0."""
    living, ended, kept = {(): 0.0}, {}, {(): 0.0}
    for _ in range(most):
        longer = {}
        for tokens, log_p in living.items():
            for w, p in enumerate(model.distribution(tokens)):
                if p > 0:
                    longer[*tokens, w] = log_p + np.log(p)
        ended |= {tokens: log_p for tokens, log_p in longer.items() if tokens[-1] == 0}
        living = {tokens: log_p for tokens, log_p in longer.items() if tokens[-1] != 0}
        kept |= living
    return ended, kept
