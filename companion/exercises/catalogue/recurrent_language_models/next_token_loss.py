"""The loss of the next token."""

from __future__ import annotations

import numpy as np

from companion.core.functions import cross_entropy, log_softmax
from companion.core.functions import softmax as softmax_of_the_course
from companion.exercises.catalogue.recurrent_language_models.surprises import OTHERS, TOTALS, Total
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.exercises.overflow import LARGEST
from companion.exercises.overflow import old_also_overflowing as also_overflowing


@exercise(
    "next-token-loss",
    chapter="recurrent-language-models",
    name="next_token_loss",
    title="The loss of the next token",
    kind="implement",
    ask={"total": TOTALS, "reads": ("all but the last", "all")},
)
def loss(rng: np.random.Generator, total: Total, reads: str) -> Key:
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

    def first_row_dropped(logits, tokens):
        return float(total.of(-chosen(log_softmax(logits[1:]), tokens[1:])))

    def wrong_total(logits, tokens):
        return float(total.wrongly(-chosen(log_softmax(predictions(logits)), tokens[1:])))

    def other_totals():
        """The other ways to make one number of the surprises, but for that which ``total`` lists as its slip."""
        some = np.array([[0.1, 0.7, 0.4], [1.1, 0.2, 0.5]])
        right = [total.of(some), total.wrongly(some)]
        for name, of in OTHERS:
            if min(abs(of(some) - value) for value in right) > 1e-9:
                yield Misconception(
                    f"another total: {name}",
                    "The surprises are right. The last sentence of the statement says what becomes of them: over which "
                    "axes is added, over which averaged?",
                    lambda logits, tokens, of=of: float(of(-chosen(log_softmax(predictions(logits)), tokens[1:]))),
                )

    def positive(logits, tokens):
        return float(total.of(chosen(log_softmax(predictions(logits)), tokens[1:])))

    def log_of_probabilities(u):
        return np.log(softmax_of_the_course(u))

    def with_a_small_number(number):
        return with_scores(lambda u: np.log(softmax_of_the_course(u) + number))

    def one_largest(u):
        e = np.exp(u - u.max())
        return np.log(e / e.sum(axis=-1, keepdims=True))

    def of_some(steps=slice(None), sequences=slice(None)):
        """The total of some of the surprises; 0 where there are none."""

        def wrong(logits, tokens):
            some = surprises(logits, tokens)[steps, sequences]
            return float(total.of(some)) if some.size else 0.0

        return wrong

    def one_shift_for_all(u):
        shifted = u - u.max()
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

    dropped = Misconception(
        "the first row of logits is dropped",
        "There is a row of logits too many, at one end. Row 0 was made from w_0: which token does it predict?",
        first_row_dropped,
    )

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
            all_high("all logits around 2000", T=2, B=3, V=4),
            far_apart("logits around ±2000", T=6, B=3, V=5),
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
                of_some(slice(-1)),
            ),
            Misconception(
                "only the first step",
                "The loss runs over all T steps. Where does return stand: inside the loop over them, or behind it?",
                of_some(steps=slice(1)),
            ),
            Misconception(
                "the first step is left out",
                "Row 0 of the logits predicts w_1, which counts as all others do. Where does your range or slice "
                "begin?",
                of_some(steps=slice(1, None)),
            ),
            Misconception(
                "only the first sequence",
                "With one sequence yours is right. What becomes of the other columns of tokens?",
                of_some(sequences=slice(1)),
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
                "one largest logit for the whole batch",
                "Where all logits are 4000 below the largest of the batch, each power is 0, and 0/0 is nan. Which "
                "logits share one softmax, and so one largest logit?",
                with_scores(one_largest),
            ),
            Misconception(
                "the logarithm of a probability that has become 0",
                "A right token may lie 1000 below the largest logit. Its probability is 0 in floating-point numbers, "
                "its surprise is about 1000. Can the logarithm be had without the probability?",
                with_scores(log_of_probabilities),
            ),
            *(
                Misconception(
                    f"a small number is added to the probabilities: {number:g}",
                    "A right token may lie 1000 below the largest logit: its surprise is about 1000, and not −log of "
                    "your small number. Can the logarithm be had without the probability?",
                    with_a_small_number(number),
                )
                for number in (1e-12, 1e-10)
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
