"""The loss of the next token, probabilities at a temperature, and a text cut into streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.core.functions import cross_entropy, softmax
from companion.exercises.edits import Edit
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.rnn.measures import sharpen


@dataclass(frozen=True)
class _Total:
    """How the surprises of all tokens, (T, B), become one number; and, from ``slip`` on, how people get it wrong."""

    asked: str
    code: str
    of: Callable[[np.ndarray], float]
    why: str
    slip: str
    hint: str
    wrongly: str


_TOTALS = (
    _Total(
        "the **sum** over all steps and sequences",
        "surprise.sum()",
        lambda s: s.sum(),
        "The sum is the loss of which the course takes gradients.",
        "a mean in place of the sum",
        "Two equal sequences in a batch should have twice the loss of one. What do you divide by?",
        "surprise.mean()",
    ),
    _Total(
        "the **mean** over all steps and sequences",
        "surprise.mean()",
        lambda s: s.mean(),
        "The mean does not grow with the text, so that texts of different lengths can be compared.",
        "a sum in place of the mean",
        "Two equal sequences in a batch should have the same loss as one. What has to be divided by?",
        "surprise.sum()",
    ),
    _Total(
        "the sum over the **steps** of a sequence, averaged over the **sequences**",
        "surprise.sum(axis=0).mean()",
        lambda s: s.sum() / s.shape[1],
        "Divided so, a step of training does not grow with the batch, while longer sequences still count for more.",
        "sum and mean on each other's axis",
        "Time is the first axis of the surprises, the sequences are the second. Over which of them is the mean taken?",
        "surprise.mean(axis=0).sum()",
    ),
    _Total(
        "the **perplexity**, $\\exp$ of the mean over all steps and sequences",
        "np.exp(surprise.mean())",
        lambda s: np.exp(s.mean()),
        "The exponential comes after the mean over all tokens; it is the measure in which the chapter compares models.",
        "a mean of the sequences' perplexities",
        "Perplexity is one exponential of one mean. Do you take the exponential before the last mean?",
        "np.exp(surprise.mean(axis=0)).mean()",
    ),
)

_OTHERS = {
    "the sum over all tokens": "surprise.sum()",
    "the mean over all tokens": "surprise.mean()",
    "summed over the steps, averaged over the sequences": "surprise.sum(axis=0).mean()",
    "averaged over the steps, summed over the sequences": "surprise.mean(axis=0).sum()",
    "the perplexity": "np.exp(surprise.mean())",
}


@exercise(
    "next-token-loss",
    "next_token_loss",
    "The loss of the next token",
    "implement",
    total=_TOTALS,
    reads=("all but the last", "all"),
)
def loss(rng: np.random.Generator, total: _Total, reads: str) -> Key:
    reads_all = reads == "all"

    def of_the_course(logits, tokens):
        targets = tokens[1:]
        each = [cross_entropy(logits[at], targets[at])[0] for at in np.ndindex(targets.shape)]
        return total.of(np.reshape(each, targets.shape))

    def case(name, T, B, V):
        tokens = np.concatenate([np.zeros((1, B), int), rng.integers(0, V, (T, B))])
        return Case(name, {"logits": normal(rng, T + reads_all, B, V, scale=1.5), "tokens": tokens})

    def far_apart(name, T, B, V):
        """Logits near 2000 in one prediction and near -2000 in the next; the last token, right once, far below."""
        drawn = case(name, T, B, V).arguments
        tokens = drawn["tokens"] % (V - 1)
        tokens[-1, 0] = V - 1
        level = 2000.0 * (-1.0) ** np.arange((T + reads_all) * B).reshape(-1, B, 1)
        below = np.where(np.arange(V) == V - 1, 1000.0, 0.0)
        return Case(name, {"logits": drawn["logits"] + level - below, "tokens": tokens})

    def all_high(name, T, B, V):
        drawn = case(name, T, B, V).arguments
        return Case(name, {**drawn, "logits": drawn["logits"] + 2000.0})

    def one_high(name, T, B, V):
        """The right token's logit lies 2000 above all others."""
        drawn = case(name, T, B, V).arguments
        at = np.indices((T, B))
        drawn["logits"][at[0], at[1], drawn["tokens"][1:]] += 2000.0 * (at.sum(axis=0) % 2)
        return Case(name, drawn)

    return Key(
        cases=(
            case("a small case", T=2, B=2, V=3),
            case("T = 1", T=1, B=2, V=4),
            case("B = 1", T=3, B=1, V=4),
            case("all sizes equal", T=3, B=3, V=3),
            all_high("all logits around 2000", T=2, B=3, V=4),
            far_apart("logits around ±2000", T=6, B=3, V=5),
            case("a longer text", T=12, B=4, V=6),
            one_high("the right token far above all others", T=2, B=2, V=3),
        ),
        also_right=(of_the_course,),
        misconceptions=tuple(
            Misconception(
                f"another total: {name}",
                "The surprises are right. The last sentence of the statement says what becomes of them: over which "
                "axes is added, over which averaged?",
                Edit(words={"total.code": code}),
            )
            for name, code in _OTHERS.items()
            if code not in (total.code, total.wrongly)
        ),
        words={
            "read": "$w_0, \\dots, w_T$, one token more than can be compared"
            if reads_all
            else "$w_0, \\dots, w_{T-1}$, all but the last",
            "rows": "T + 1" if reads_all else "T",
            "row": "$w_T$, for which there is no target: it is not used" if reads_all else "$w_{T-1}$, about $w_T$",
            "used": "logits[:-1]" if reads_all else "logits",
        },
    )


@exercise(
    "sample-temperature",
    "at_temperature",
    "Probabilities at a temperature",
    "implement",
    given=("logits", "probabilities"),
    knob=("τ", "β"),
)
def temperature(rng: np.random.Generator, given: str, knob: str) -> Key:
    from_p, inverse = given == "probabilities", knob == "β"
    argument, number = "p" if from_p else "u", "beta" if inverse else "tau"

    def of_the_course(given, number):
        tau = np.divide(1, number) if inverse else number  # β = 0 is an infinite temperature
        p = given if from_p else softmax(given)
        return sharpen(p, tau) if np.isfinite(tau) else np.full(len(p), 1 / len(p))

    def case(name, values, tau):
        values = np.array(values, float)
        beta = 1 / tau if tau else np.inf
        return Case(name, {argument: softmax(values) if from_p else values, number: float(beta if inverse else tau)})

    half, one, two = ("β = 2", "β = 1", "β = 1/2") if inverse else ("τ = 1/2", "τ = 1", "τ = 2")
    cold, zero = ("β = 10000", "β infinite") if inverse else ("τ = 0.0001", "τ = 0")
    cool, colder, hot = ("β = 5", "β = 1000000", "β = 1/50") if inverse else ("τ = 1/5", "τ = 0.000001", "τ = 50")
    return Key(
        cases=(
            case(half, [2.0, 1.0, 0.0], 0.5),
            case(two, normal(rng, 5, scale=1.5), 2.0),
            case(one, normal(rng, 4), 1.0),
            case(zero, [0.5, 2.0, -1.0, 1.5], 0.0),
            case(f"{zero}, with a tie", [1.0, 2.0, 2.0], 0.0),
            case(cold, [0.3, -0.2, 0.1, 0.25], 1e-4),
            case("a single token", [0.7], 0.5),
            case(f"two nearly equal at {colder}", [-0.7, 0.5, 0.5 + 1e-6, -3.0], 1e-6),
            case(f"an unlikely token at {hot}", [2.0, -40.0, 1.5], 50.0),
            case(cool, [1.0, -0.5, 0.8], 0.2),
            *((case("β = 0", [1.0, -0.5, 0.8], np.inf),) if inverse else ()),
        ),
        also_right=(of_the_course,),
        axes={"result": "V"},
        words={
            "argument": argument,
            "number": number,
            "scaled": "beta * u" if inverse else "u / tau",
            "wrongly": "u / beta" if inverse else "u * tau",
            "logits": "np.log(p)" if from_p else "u",
            "limit": "beta == np.inf" if inverse else "tau == 0",
            "near": "beta > 100" if inverse else "tau < 0.01",
            "asked": r"\beta\, u" if inverse else r"u / \tau",
            "have": "probabilities `p` $(V,)$ at temperature 1, all larger than 0 and together 1, instead of the "
            "logits $u$"
            if from_p
            else "logits `u` $(V,)$",
            "turn": r"**inverse temperature** $\beta = 1/\tau$, a number `beta` from 0 to infinity"
            if inverse
            else r"**temperature** $\tau$, a number `tau` of at least 0",
            "lowest": r"$\beta = \infty$ (`np.inf`)" if inverse else r"$\tau = 0$",
            "very": r"$\beta = 10000$" if inverse else r"$\tau = 0.0001$",
            "cold": cold,
            "zero": zero,
            "why": "Only $p$ is known, but the logarithm of a probability is as good as its logit: the two differ by a "
            "number that is the same for all tokens and cancels in the softmax."
            if from_p
            else "The logits are scaled *before* the softmax. Probabilities that are divided by a number and "
            "normalised again are the same probabilities.",
        },
    )


@exercise(
    "token-streams",
    "token_streams",
    "A text cut into streams",
    "implement",
    front=("EOS", "token"),
    layout=("T, B", "B, T"),
)
def token_streams(rng: np.random.Generator, front: str, layout: str) -> Key:
    eos, time_first = front == "EOS", layout == "T, B"

    def by_loops(text, B, T):
        read = [0, *text] if eos else list(text)  # its neighbours are the pairs
        L = (len(read) - 1) // B
        inputs = np.zeros((L // T, T, B) if time_first else (L // T, B, T), dtype=int)
        targets = np.zeros_like(inputs)
        for k, b, t in np.ndindex(L // T, B, T):
            at = (k, t, b) if time_first else (k, b, t)
            inputs[at], targets[at] = read[b * L + k * T + t : b * L + k * T + t + 2]
        return inputs, targets

    def case(name, n, B, T):
        """A text in which no token comes twice, of n pairs."""
        return Case(name, {"text": 1 + rng.permutation(n if eos else n + 1), "B": B, "T": T})

    return Key(
        cases=(
            case("nothing left over", n=12, B=2, T=3),
            case("T = 1", n=7, B=3, T=1),
            case("B = 1", n=7, B=1, T=3),
            case("one chunk", n=9, B=2, T=4),
            case("all sizes equal", n=27, B=3, T=3),
            case("a longer text", n=53, B=3, T=5),
        ),
        also_right=(by_loops,),
        returns=("inputs", "targets"),
        axes=dict.fromkeys(("inputs", "targets"), "chunk T B" if time_first else "chunk B T"),
        words={
            "pairs": "Each of them is predicted; before $w_1$ the network reads `<EOS>`, whose number is 0"
            if eos
            else "The network reads $w_1$ first and predicts $w_2$; nothing is put in front of the text",
            "m": "n" if eos else "n - 1",
            "read": "np.append(0, text[:-1])" if eos else "text[:-1]",
            "predicted": "text" if eos else "text[1:]",
            "shape": f"N, {layout}",
            "axes": "1, 2, 0" if time_first else "1, 0, 2",
            "numbers": f"L // T, {layout}",
            "within": ".swapaxes(1, 2)" if time_first else "",
            "time": "1" if time_first else "2",
        },
    )
