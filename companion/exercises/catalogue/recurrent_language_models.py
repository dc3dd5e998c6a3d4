"""Exercises on recurrent language models: the loss of the next token, and probabilities at a temperature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.exercises.catalogue.backpropagation_through_time import LARGEST, also_overflowing
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.functions import cross_entropy, log_softmax
from companion.functions import softmax as softmax_of_the_course
from companion.measures import sharpen


@dataclass(frozen=True)
class _Total:
    """How the surprises of all tokens, (T, B), become one number; and how people get it wrong."""

    asked: str
    code: str
    of: Callable[[Any], Any]
    why: str
    slip: str
    hint: str
    wrongly: Callable[[Any], Any]


_TOTALS = (
    _Total(
        "the **sum** over all steps and sequences",
        "surprise.sum()",
        lambda s: s.sum(),
        "The sum is the loss of which the course takes gradients.",
        "a mean in place of the sum",
        "Two equal sequences in a batch should have twice the loss of one. What do you divide by?",
        lambda s: s.mean(),
    ),
    _Total(
        "the **mean** over all steps and sequences",
        "surprise.mean()",
        lambda s: s.mean(),
        "The mean does not grow with the text, so that texts of different lengths can be compared.",
        "a sum in place of the mean",
        "Two equal sequences in a batch should have the same loss as one. What has to be divided by?",
        lambda s: s.sum(),
    ),
    _Total(
        "the sum over the **steps** of a sequence, averaged over the **sequences**",
        "surprise.sum(axis=0).mean()",
        lambda s: s.sum(axis=0).mean(),
        "Divided so, a step of training does not grow with the batch, while longer sequences still count for more.",
        "sum and mean on each other's axis",
        "Time is the first axis of the surprises, the sequences are the second. Over which of them is the mean taken?",
        lambda s: s.mean(axis=0).sum(),
    ),
    _Total(
        "the **perplexity**, $\\exp$ of the mean over all steps and sequences",
        "np.exp(surprise.mean())",
        lambda s: np.exp(s.mean()),
        "The exponential comes after the mean over all tokens; it is the measure in which the chapter compares models.",
        "a mean of the sequences' perplexities",
        "Perplexity is one exponential of one mean. Do you take the exponential before the last mean?",
        lambda s: np.exp(s.mean(axis=0)).mean(),
    ),
)


_OTHERS = (
    ("the sum over all tokens", lambda s: s.sum()),
    ("the mean over all tokens", lambda s: s.mean()),
    ("summed over the steps, averaged over the sequences", lambda s: s.sum(axis=0).mean()),
    ("averaged over the steps, summed over the sequences", lambda s: s.mean(axis=0).sum()),
    ("the perplexity", lambda s: np.exp(s.mean())),
)


@exercise(
    "next-token-loss",
    chapter="recurrent-language-models",
    name="next_token_loss",
    title="The loss of the next token",
    kind="implement",
    ask={"total": _TOTALS, "reads": ("all but the last", "all")},
)
def loss(rng: np.random.Generator, total: _Total, reads: str) -> Key:
    reads_all = reads == "all"

    def predictions(logits):
        """The logits of steps 1 … T."""
        return logits[:-1] if reads_all else logits

    def chosen(scores, targets):
        return np.take_along_axis(scores, targets[..., None], axis=-1)[..., 0]

    def answer(logits, tokens):
        return float(total.of(-chosen(log_softmax(predictions(logits)), tokens[1:])))

    def one_hot(logits, tokens):
        u = predictions(logits)
        d = np.eye(u.shape[-1])[tokens[1:]]
        shifted = u - u.max(axis=-1, keepdims=True)
        return total.of(np.log(np.exp(shifted).sum(axis=-1)) - (d * shifted).sum(axis=-1))

    def one_by_one(logits, tokens):
        surprise = np.zeros(tokens[1:].shape)
        for t, b in np.ndindex(*surprise.shape):
            u = logits[t, b]
            surprise[t, b] = np.logaddexp.reduce(u) - u[tokens[t + 1, b]]
        return total.of(surprise)

    def of_the_course(logits, tokens):
        u, targets = predictions(logits), tokens[1:]
        each = [[cross_entropy(u[t, b], targets[t, b])[0] for b in range(u.shape[1])] for t in range(len(u))]
        return total.of(np.array(each))

    def with_scores(scores, targets=lambda tokens: tokens[1:]):
        def wrong(logits, tokens):
            with np.errstate(all="ignore"):
                return float(total.of(-chosen(scores(predictions(logits)), targets(tokens))))

        return wrong

    def naive(u):
        return np.log(np.exp(u) / np.exp(u).sum(axis=-1, keepdims=True))

    def overflowing(wrong):
        """What ``wrong`` becomes where no logit is subtracted: nan, where the powers overflow."""
        return lambda logits, tokens: np.nan if np.abs(logits).max() > LARGEST else wrong(logits, tokens)

    def surprises(logits, tokens):
        return -chosen(log_softmax(predictions(logits)), tokens[1:])

    def along_the_steps(u):
        return np.moveaxis(log_softmax(np.moveaxis(u, 0, -1)), -1, 0)

    def along_the_batch(u):
        return np.moveaxis(log_softmax(np.moveaxis(u, 1, -1)), -1, 1)

    def in_bits(logits, tokens):
        return float(total.of(-chosen(log_softmax(predictions(logits)), tokens[1:]) / np.log(2)))

    def uncertainty(logits, tokens):
        log_y = log_softmax(predictions(logits))
        return float(total.of(-(np.exp(log_y) * log_y).sum(axis=-1)))

    def without_the_end(logits, tokens):
        surprise = -chosen(log_softmax(predictions(logits)), tokens[1:])
        return float(total.of(surprise[:-1])) if len(surprise) > 1 else 0.0

    def first_row_dropped(logits, tokens):
        return float(total.of(-chosen(log_softmax(logits[1:]), tokens[1:])))

    def wrong_total(logits, tokens):
        return float(total.wrongly(-chosen(log_softmax(predictions(logits)), tokens[1:])))

    def other_totals():
        """The other ways to make one number of the surprises, but for that which ``total`` lists as its slip."""
        some = np.array([[0.1, 0.7, 0.4], [1.1, 0.2, 0.5]])
        right = [total.of(some), total.wrongly(some)]
        for name, of in _OTHERS:
            if min(abs(of(some) - value) for value in right) > 1e-9:
                yield Misconception(
                    f"another total: {name}",
                    "The surprises are right. The last sentence of the statement says what becomes of them: over which "
                    "axes is added, over which averaged?",
                    lambda logits, tokens, of=of: float(of(-chosen(log_softmax(predictions(logits)), tokens[1:]))),
                )

    def positive(logits, tokens):
        return float(total.of(chosen(log_softmax(predictions(logits)), tokens[1:])))

    def one_shift_for_all(u):
        shifted = u - u.max()
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

    def case(name, T, B, V):
        tokens = np.concatenate([np.zeros((1, B), int), rng.integers(0, V, (T, B))])
        return Case(name, {"logits": normal(rng, T + reads_all, B, V, scale=1.5), "tokens": tokens})

    def far_apart(name, T, B, V):
        """Logits near 2000 in one prediction and near -2000 in the next; the last token, never right, far below."""
        drawn = case(name, T, B, V).arguments
        level = 2000.0 * (-1.0) ** np.arange((T + reads_all) * B).reshape(-1, B, 1)
        below = np.where(np.arange(V) == V - 1, 1000.0, 0.0)
        return Case(name, {"logits": drawn["logits"] + level - below, "tokens": drawn["tokens"] % (V - 1)})

    dropped = Misconception(
        "the first row of logits is dropped",
        "There is a row of logits too many, at one end. Row 0 was made from w_0: which token does it predict?",
        first_row_dropped,
    )
    return Key(
        answer=answer,
        also_right=(one_hot, one_by_one, of_the_course),
        words={
            "asked": total.asked,
            "code": total.code,
            "why": total.why,
            "read": "$w_0, \\dots, w_T$, one token more than can be compared"
            if reads_all
            else "$w_0, \\dots, w_{T-1}$, all but the last",
            "rows": "T + 1" if reads_all else "T",
            "row": "Its last row is what the network says after $w_T$, for which there is no target: it is not used."
            if reads_all
            else "Its last row is what the network says after $w_{T-1}$, about $w_T$.",
            "used": "logits[:-1]" if reads_all else "logits",
        },
        cases=(
            case("a small case", T=2, B=2, V=3),
            case("T = 1", T=1, B=2, V=4),
            case("B = 1", T=3, B=1, V=4),
            case("all sizes equal", T=3, B=3, V=3),
            far_apart("logits around ±2000", T=3, B=2, V=5),
            case("a longer text", T=12, B=4, V=6),
        ),
        hints=(
            "Write down, for T = 2, what each row of logits was made from and which token it should have predicted.",
            "Row 0 of the logits was made from w_0 and predicts w_1. The targets are the tokens without the first.",
            "Subtract the largest logit, make log-probabilities, pick each target's, and change the sign. "
            "The result has the shape (T, B).",
        ),
        misconceptions=(
            *((dropped,) if reads_all else ()),
            Misconception(
                "the last step is left out",
                "How many predictions are there for each sequence, and how many do you count? Look at row T of tokens.",
                without_the_end,
            ),
            Misconception(
                "the logits are taken for log-probabilities",
                "Add 1 to all the logits of a step: the probabilities stay. Does your loss stay?",
                with_scores(lambda u: u),
            ),
            Misconception(
                "probabilities without their logarithm",
                "Surprise is minus the logarithm of the probability. What do you add up?",
                with_scores(softmax_of_the_course),
            ),
            Misconception(
                "the powers overflow",
                "Small logits come out right. What is the exponential of 2000? Which shift changes no probability?",
                with_scores(naive),
            ),
            Misconception(
                "one shift for all predictions",
                "Two predictions may lie far apart: where all logits are 4000 below the largest of the batch, each "
                "power is 0. Which logits share one softmax?",
                with_scores(one_shift_for_all),
            ),
            Misconception(
                "the softmax runs along the batch",
                "The probabilities of the V tokens sum to 1, in each step of each sequence. Which axis is V?",
                with_scores(along_the_batch),
            ),
            Misconception(
                "the entropy of the prediction",
                "Your loss does not ask which token came: change tokens, and it stays. Which one entry is picked?",
                uncertainty,
            ),
            *also_overflowing(
                (
                    Misconception(
                        "not shifted: each token is to predict itself",
                        "The network has just read w_{t-1}. Which token should it predict, and which do you compare "
                        "with?",
                        with_scores(log_softmax, lambda tokens: tokens[:-1]),
                    ),
                    Misconception(
                        "logarithms to base 2",
                        "The statement asks for natural logarithms, throughout. Which base has yours?",
                        in_bits,
                    ),
                    Misconception(
                        "the minus sign is missing",
                        "The logarithm of a probability is at most 0. What sign should a surprise have?",
                        positive,
                    ),
                    Misconception(total.slip, total.hint, wrong_total),
                    *other_totals(),
                ),
                overflowing,
            ),
            Misconception(
                "the softmax runs along the steps",
                "The probabilities of the V tokens sum to 1, in each step of each sequence. Which axis is V?",
                with_scores(along_the_steps),
            ),
            Misconception(
                "the surprises themselves",
                "You have a surprise for each step and sequence. One number is asked for: what is made of them?",
                surprises,
            ),
            Misconception(
                "one number for each sequence",
                "You have added up, or averaged, the steps. What becomes of the sequences?",
                lambda logits, tokens: surprises(logits, tokens).sum(axis=0),
            ),
            Misconception(
                "one number for each step",
                "You have added up, or averaged, the sequences. What becomes of the steps?",
                lambda logits, tokens: surprises(logits, tokens).sum(axis=1),
            ),
        ),
    )


@exercise(
    "sample-temperature",
    chapter="recurrent-language-models",
    name="at_temperature",
    title="Probabilities at a temperature",
    kind="implement",
    ask={"given": ("logits", "probabilities"), "knob": ("τ", "β")},
)
def temperature(rng: np.random.Generator, given: str, knob: str) -> Key:
    from_p, inverse = given == "probabilities", knob == "β"
    limit = np.inf if inverse else 0.0

    def logits_of(given):
        return np.log(given) if from_p else given

    def factor(number):
        return number if inverse else 1 / number

    def greedy(given):
        return np.eye(len(given))[np.argmax(given)]

    def scaled(scale):
        """The limit by itself; otherwise ``scale`` (given, what the logits are multiplied with)."""

        def function(given, number):
            if number == limit:
                return greedy(given)
            with np.errstate(all="ignore"):
                return scale(given, factor(number))

        return function

    def through_logarithms(given, by):
        v = logits_of(given) * by
        return np.exp(v - np.logaddexp.reduce(v))

    def against_the_largest(given, by):
        ratios = given / given.max() if from_p else np.exp(given - given.max())
        powers = ratios**by
        return powers / powers.sum()

    def of_the_course(given, by):
        return sharpen(given if from_p else softmax_of_the_course(given), 1 / by if by else 1e300)

    def unstable(given, by):
        powers = given**by if from_p else np.exp(given * by)
        return powers / powers.sum()

    def powers_of(p, by):
        powers = p**by
        return powers / powers.sum()

    def unnormalised(given, by):
        v = logits_of(given) * by
        return np.exp(v - v.max())

    def too_late(given, by):
        p = given if from_p else softmax_of_the_course(given)
        return p * by / (p * by).sum() if by else np.full(len(p), 1 / len(p))

    def confused(given, by):
        return softmax_of_the_course((given if from_p else softmax_of_the_course(given)) * by)

    def limit_forgotten(given, number):
        with np.errstate(all="ignore"):
            return softmax_of_the_course(logits_of(given) * np.divide(1.0, number) if not inverse else given * number)

    def shared(given, number):
        if number == limit:
            best = given == np.max(given)
            return best / best.sum()
        return scaled(through_logarithms)(given, number)

    def case(name, values, tau):
        values = np.array(values, float)
        number = tau if not inverse else np.inf if tau == 0 else 1 / tau
        return Case(
            name,
            {
                "p" if from_p else "u": softmax_of_the_course(values) if from_p else values,
                "beta" if inverse else "tau": float(number),
            },
        )

    half, one, two = ("β = 2", "β = 1", "β = 1/2") if inverse else ("τ = 1/2", "τ = 1", "τ = 2")
    cold, zero = ("β = 10000", "β infinite") if inverse else ("τ = 0.0001", "τ = 0")
    return Key(
        answer=scaled(lambda given, by: softmax_of_the_course(logits_of(given) * by)),
        also_right=(scaled(through_logarithms), scaled(against_the_largest), scaled(of_the_course)),
        axes={"result": "V"},
        words={
            "argument": "p" if from_p else "u",
            "number": "beta" if inverse else "tau",
            "scaled": "beta * u" if inverse else "u / tau",
            "logits": "np.log(p)" if from_p else "u",
            "limit": "beta == np.inf" if inverse else "tau == 0",
            "asked": r"\operatorname{softmax}(\beta\, u)" if inverse else r"\operatorname{softmax}(u / \tau)",
            "have": "the probabilities `p` $(V,)$ at temperature 1, all larger than 0 and together 1, instead of the "
            "logits $u$"
            if from_p
            else "the logits `u` $(V,)$",
            "turn": r"the **inverse temperature** $\beta = 1/\tau$, a number `beta` from 0 to infinity"
            if inverse
            else r"the **temperature** $\tau$, a number `tau` of at least 0",
            "cold": r"$\beta = \infty$ (`np.inf`)" if inverse else r"$\tau = 0$",
            "very": r"$\beta = 10000$" if inverse else r"$\tau = 0.0001$",
            "why": "Only $p$ is known, but the logarithm of a probability is as good as its logit: the two differ by a "
            "number that is the same for all tokens and cancels in the softmax."
            if from_p
            else "The logits are scaled *before* the softmax. Probabilities that are divided by a number and "
            "normalised again are the same probabilities.",
        },
        cases=(
            case(half, [2.0, 1.0, 0.0], 0.5),
            case(two, normal(rng, 5, scale=1.5), 2.0),
            case(one, normal(rng, 4), 1.0),
            case(zero, [0.5, 2.0, -1.0, 1.5], 0.0),
            case(f"{zero}, with a tie", [1.0, 2.0, 2.0], 0.0),
            case(cold, [0.3, -0.2, 0.1, 0.25], 1e-4),
            case("a single token", [0.7], 0.5),
        ),
        hints=(
            "A temperature acts on logits. Which logits belong to what you are given?"
            if from_p
            else "A temperature acts on the logits, and the softmax comes after it.",
            "Treat the limit by itself: all the probability goes to one token.",
            "Otherwise scale the logits, subtract the largest, take the exponential and divide by the sum.",
        ),
        misconceptions=(
            Misconception(
                "the scale is upside down",
                "High temperatures flatten a distribution, low ones sharpen it. Which way does yours go?",
                scaled(lambda given, by: softmax_of_the_course(logits_of(given) / by)),
            ),
            Misconception(
                "the temperature cancels",
                "Your result does not depend on the temperature. When you normalise, what happens to a factor of all "
                "probabilities, or to a number that is added to all logits?",
                scaled(too_late),
            ),
            Misconception(
                "probabilities are taken for logits",
                "At temperature 1 the distribution should not change. How many exponentials stand between p and your "
                "result?"
                if from_p
                else "At temperature 1 your result should be softmax(u). How often do you apply the softmax?",
                scaled(confused),
            ),
            Misconception(
                "not normalised",
                "Add up your result. After the exponential, what makes it 1?",
                scaled(unnormalised),
            ),
            Misconception(
                "very low temperatures overflow or underflow",
                f"Look at the case {cold}: which powers become infinite, or all of them 0? Which shift helps?",
                scaled(unstable),
            ),
            Misconception(
                "the limit is not treated by itself",
                f"Look at the case {zero}: the formula has no value there. What does the statement ask for?",
                limit_forgotten,
            ),
            *(
                ()
                if from_p
                else (
                    Misconception(
                        "all powers are 0, or all infinite, at very low temperatures",
                        f"Look at the case {cold}: all is nan there. To a high power every probability becomes 0; and "
                        f"a shift to the wrong side makes every power infinite, or 0. Scale the logits, and make the "
                        f"largest power 1.",
                        scaled(lambda given, by: powers_of(softmax_of_the_course(given), by)),
                    ),
                )
            ),
            Misconception(
                "in the limit the token, not its distribution",
                f"Look at the case {zero}: asked for are the probabilities of all tokens there too.",
                lambda given, number: (
                    int(np.argmax(given)) if number == limit else scaled(through_logarithms)(given, number)
                ),
            ),
            Misconception(
                "in the limit all tokens are equal",
                f"Look at the case {zero}: a low temperature sharpens the distribution. Which token is left at last?",
                lambda given, number: (
                    np.full(len(given), 1 / len(given))
                    if number == limit
                    else scaled(through_logarithms)(given, number)
                ),
            ),
            Misconception(
                "the distribution of temperature 1 in the limit",
                f"Look at the case {zero}: there the formula cannot be computed, but it has a limit. What does the "
                "statement ask for?",
                lambda given, number: scaled(through_logarithms)(given, 1.0 if number == limit else number),
            ),
            Misconception(
                "equals share the probability in the limit",
                "In the limit one token gets everything, the first among equals. What do you do with a tie?",
                shared,
            ),
        ),
    )
