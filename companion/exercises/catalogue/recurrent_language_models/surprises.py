"""How the surprises of all tokens become one number, as a class may be asked, and how people get it wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Total:
    """How the surprises of all tokens, (T, B), become one number; and how people get it wrong."""

    asked: str
    code: str
    of: Callable[[Any], Any]
    why: str
    slip: str
    hint: str
    wrongly: Callable[[Any], Any]


TOTALS = (
    Total(
        "the **sum** over all steps and sequences",
        "surprise.sum()",
        lambda s: s.sum(),
        "The sum is the loss of which the course takes gradients.",
        "a mean in place of the sum",
        "Two equal sequences in a batch should have twice the loss of one. What do you divide by?",
        lambda s: s.mean(),
    ),
    Total(
        "the **mean** over all steps and sequences",
        "surprise.mean()",
        lambda s: s.mean(),
        "The mean does not grow with the text, so that texts of different lengths can be compared.",
        "a sum in place of the mean",
        "Two equal sequences in a batch should have the same loss as one. What has to be divided by?",
        lambda s: s.sum(),
    ),
    Total(
        "the sum over the **steps** of a sequence, averaged over the **sequences**",
        "surprise.sum(axis=0).mean()",
        lambda s: s.sum(axis=0).mean(),
        "Divided so, a step of training does not grow with the batch, while longer sequences still count for more.",
        "sum and mean on each other's axis",
        "Time is the first axis of the surprises, the sequences are the second. Over which of them is the mean taken?",
        lambda s: s.mean(axis=0).sum(),
    ),
    Total(
        "the **perplexity**, $\\exp$ of the mean over all steps and sequences",
        "np.exp(surprise.mean())",
        lambda s: np.exp(s.mean()),
        "The exponential comes after the mean over all tokens; it is the measure in which the chapter compares models.",
        "a mean of the sequences' perplexities",
        "Perplexity is one exponential of one mean. Do you take the exponential before the last mean?",
        lambda s: np.exp(s.mean(axis=0)).mean(),
    ),
)


OTHERS = (
    ("the sum over all tokens", lambda s: s.sum()),
    ("the mean over all tokens", lambda s: s.mean()),
    ("summed over the steps, averaged over the sequences", lambda s: s.sum(axis=0).mean()),
    ("averaged over the steps, summed over the sequences", lambda s: s.mean(axis=0).sum()),
    ("the perplexity", lambda s: np.exp(s.mean())),
)
