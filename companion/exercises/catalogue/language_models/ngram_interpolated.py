"""An interpolated bigram."""

from __future__ import annotations

from collections import Counter

import numpy as np

from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.rnn.ngrams import Interpolated, count

_NAMES = "1 2 2 0", "1 2 2 1 0", "2 1 2 0"  # ann, anna, nan


def _names():
    """The three names of the chapter, as lists of token numbers; new lists at every call."""
    return [[int(token) for token in name.split()] for name in _NAMES]


@exercise(
    "ngram-interpolated",
    chapter="language-models",
    name="bigram",
    title="An interpolated bigram",
    kind="implement",
    ask={"weighs": ("frequency", "rest"), "start": ("<EOS>", "nothing")},
)
def ngram(rng: np.random.Generator, weighs: str, start: str) -> Key:
    begins, rest = start == "<EOS>", weighs == "rest"

    def pairs_of(text, begins=begins):
        before = [[0, *sequence[:-1]] if begins else sequence[:-1] for sequence in text]
        after = [sequence if begins else sequence[1:] for sequence in text]
        return [pair for v, w in zip(before, after, strict=True) for pair in zip(v, w, strict=True)]

    def mixed(weight, frequency, lower, exchanged=False):
        share = 1 - weight if rest != exchanged else weight
        return share * frequency + (1 - share) * lower

    def estimate(text, v, V, lambda_1, lambda_2, *, pairs=pairs_of, **slip):
        tokens = np.array([token for sequence in text for token in sequence], dtype=int)
        if slip.get("without_end"):
            tokens = tokens[tokens != 0]
        c = np.bincount(tokens, minlength=V)
        if slip.get("end_twice"):
            c[0] *= 2
        after = np.zeros(V)
        found = pairs(text)
        for before, w in found:
            after[w] += before == v
        total = max(len(found), 1) if slip.get("joint") else after.sum()
        if slip.get("backwards"):
            total = np.maximum(c, 1)
        if slip.get("singles"):
            total = c[v]
        exchanged = slip.get("exchanged", ())
        with np.errstate(all="ignore"):  # 0/0 where nothing but <EOS> was there to be counted
            unigram = c / c.sum()
            p_1 = unigram if slip.get("no_floor") else mixed(lambda_1, unigram, 1 / V, 1 in exchanged)
            if after.sum() == 0 and not (slip.get("nan") or (slip.get("singles") and c[v])):
                return mixed(lambda_2, 0, p_1, 2 in exchanged) if slip.get("unseen") else p_1
            return mixed(lambda_2, after / total, p_1, 2 in exchanged)

    def answer(text, v, V, lambda_1, lambda_2):
        return estimate(text, v, V, lambda_1, lambda_2)

    def share(weight):
        return rf"(1 - \lambda_{weight})", rf"\lambda_{weight}"

    def from_a_table(text, v, V, lambda_1, lambda_2):
        table = np.zeros((V, V))
        for before, w in pairs_of(text):
            table[before, w] += 1
        tokens = np.concatenate([np.array(sequence) for sequence in text])
        p = np.full(V, 1 / V)
        rows = (np.array([(tokens == w).sum() for w in range(V)]), table[v])
        for weight, row in zip((lambda_1, lambda_2), rows, strict=True):
            if row.sum() > 0:
                p = mixed(weight, row / row.sum(), p)
        return p

    def word_by_word(text, v, V, lambda_1, lambda_2):
        single = Counter(token for sequence in text for token in sequence)
        double = Counter(pairs_of(text))
        contexts = Counter(before for before, _ in double.elements())
        result = []
        for w in range(V):
            p = mixed(lambda_1, single[w] / sum(single.values()), 1 / V)
            result.append(mixed(lambda_2, double[v, w] / contexts[v], p) if contexts[v] else p)
        return np.array(result)

    def of_the_course(text, v, V, lambda_1, lambda_2):
        weights = (1 - lambda_1, 1 - lambda_2) if rest else (lambda_1, lambda_2)
        counts = count([np.array(sequence) for sequence in text], 2, V)
        return Interpolated(counts, weights).distribution([v])

    def pairs_across(text):
        """Of all sequences glued together: of those that begin with <EOS>, the first alone then has no pair for it."""
        tokens = [token for sequence in text for token in sequence]
        return list(zip(tokens[:-1], tokens[1:], strict=True))

    def with_slip(**slip):
        return lambda text, v, V, lambda_1, lambda_2: estimate(text, v, V, lambda_1, lambda_2, **slip)

    drawn = [[*(int(w) for w in rng.integers(1, 6, rng.integers(0, 9))), 0] for _ in range(12)]

    def case(name, text, v, V, lambda_1, lambda_2):
        return Case(name, {"text": text, "v": v, "V": V, "lambda_1": lambda_1, "lambda_2": lambda_2})

    all_to_frequency = 0.0 if rest else 1.0
    first, second = (share(1), share(2)) if rest else (share(1)[::-1], share(2)[::-1])
    return Key(
        answer=answer,
        also_right=(from_a_table, word_by_word, *((of_the_course,) if begins else ())),
        axes={"result": "V"},
        words={
            "frequency_1": first[0],
            "lower_1": first[1],
            "frequency_2": second[0],
            "lower_2": second[1],
            "share_1": "1 - lambda_1" if rest else "lambda_1",
            "share_2": "1 - lambda_2" if rest else "lambda_2",
            "beginning": "Every sequence begins as if another had just ended, the first one of the text too: its first "
            "token follows an `<EOS>`, and the two are a pair. That `<EOS>` is the context of a token, and is not "
            "counted in $c(w)$."
            if begins
            else "The first token of a sequence has no context and is part of no pair; it is counted in $c(w)$ all the "
            "same. A pair never reaches from one sequence into the next.",
            "careful": " Look closely at which share each $\\lambda$ belongs to." if rest else "",
            "pairs": "zip([0] + sequence[:-1], sequence)" if begins else "zip(sequence[:-1], sequence[1:])",
            "why": "Here every token is the second of one pair, because the first of a sequence follows `<EOS>`. So "
            "the sequences might as well be glued together, if one `<EOS>` is put in front of them all."
            if begins
            else "Here the first token of a sequence is the second of no pair, so that nothing ever follows `<EOS>`; "
            "after it the single tokens alone decide. If the sequences were glued together, what follows `<EOS>` would "
            "depend on their order in the list.",
        },
        cases=(
            case("ann, anna, nan; after a", _names(), 1, 3, 0.75, 0.5),
            case("the same, after <EOS>", _names(), 0, 3, 0.9, 0.6),
            case("a context that never occurs", _names(), 4, 5, 0.9, 0.6),
            case("a context that occurs once", [[1, 2, 0], [1, 1, 0]], 2, 3, 0.75, 0.6),
            case("one empty sequence", [[0]], 0, 2, 0.8, 0.3),
            case("all the weight on frequencies", _names(), 2, 4, all_to_frequency, all_to_frequency),
            case("a dozen random sequences", drawn, 3, 7, 0.65, 0.8),
        ),
        hints=(
            "Three distributions are mixed: uniform, single tokens, tokens after v. Compute each as an array (V,).",
            "Pair each token with the one before it, within its own sequence. c(v) is the number of pairs that begin "
            "with v.",
            "Count all tokens for p_1, <EOS> included. If no pair begins with v, p_1 is the answer.",
        ),
        misconceptions=(
            Misconception(
                "each weight on the wrong share",
                "Look at the two formulas: what does λ multiply, the relative frequency or the shorter context?",
                with_slip(exchanged=(1, 2)),
            ),
            Misconception(
                "λ_1 on the wrong share",
                "Look at the formula of p_1: what does λ_1 multiply, the relative frequency or 1/V?",
                with_slip(exchanged=(1,)),
            ),
            Misconception(
                "λ_2 on the wrong share",
                "Look at the formula of p_2: what does λ_2 multiply, the relative frequency or p_1?",
                with_slip(exchanged=(2,)),
            ),
            Misconception(
                "the two weights are exchanged",
                "λ_1 mixes single tokens with 1/V, λ_2 mixes pairs with p_1. Which of them do you use where?",
                lambda text, v, V, lambda_1, lambda_2: estimate(text, v, V, lambda_2, lambda_1),
            ),
            Misconception(
                "the first sequence has no pair for its first token"
                if begins
                else "pairs reach into the next sequence",
                "Glued together, each sequence but one follows the <EOS> of another. What stands before the first "
                "token of the first?"
                if begins
                else "The <EOS> of one sequence and the first token of the next are no pair. Where do you join the "
                "sequences?",
                with_slip(pairs=pairs_across),
            ),
            Misconception(
                "the first token has no context" if begins else "the first token follows <EOS>",
                "Nothing comes after <EOS> in your pairs. What does the statement say about the first token of a "
                "sequence?"
                if begins
                else "What does the statement say about the first token of a sequence? Count the pairs after <EOS>.",
                with_slip(pairs=lambda text: pairs_of(text, not begins)),
            ),
            *(
                (
                    Misconception(
                        "the <EOS> before a sequence is counted in c(w)",
                        "It is there to be the context of the first token. How many <EOS> are in the text itself?",
                        with_slip(end_twice=True),
                    ),
                    Misconception(
                        "the <EOS> before a sequence is counted in c(w) and in c(v)",
                        "Each <EOS> that begins a pair also ends a sequence, or stands before the first. How many "
                        "pairs begin with <EOS>, and how many <EOS> are there in the text itself?",
                        with_slip(end_twice=True, singles=True),
                    ),
                )
                if begins
                else (
                    Misconception(
                        "c(v) counts the token v, not the pairs that begin with it",
                        "For <EOS> the two differ: it occurs, but begins no pair. Which of them is below the line of "
                        "the fraction?",
                        with_slip(singles=True),
                    ),
                )
            ),
            Misconception(
                "divided by the count of the next token",
                "p(w | v) is a share of what follows v. Of all the pairs that begin with v, how many end with w?",
                with_slip(backwards=True),
            ),
            Misconception(
                "divided by the number of all pairs",
                "That is the probability of the pair. Given v, only the pairs that begin with v count.",
                with_slip(joint=True),
            ),
            Misconception(
                "an unseen context loses probability",
                "Add up your result for a context that never occurs. Where nothing can be divided, what is p_2?",
                with_slip(unseen=True),
            ),
            Misconception(
                "0/0 in an unseen context",
                "For a context that begins no pair you divide zero by zero, and all becomes nan. What is p_2 there, by "
                "the statement?",
                with_slip(nan=True),
            ),
            Misconception(
                "the uniform distribution is missing",
                "A token that never occurs gets 0 from you. Which of the two mixtures have you left out?",
                with_slip(no_floor=True),
            ),
            Misconception(
                "<EOS> is not counted among the single tokens",
                "<EOS> is a token like the others and must be predicted. Is it in c(w), and in N?",
                with_slip(without_end=True),
            ),
            Misconception(
                "<EOS> is left out everywhere",
                "That a sequence ends must be predicted too. Where do you cut off the last token?",
                lambda text, v, V, lambda_1, lambda_2: estimate(
                    [sequence[:-1] for sequence in text],
                    v,
                    V,
                    lambda_1,
                    lambda_2,
                    pairs=lambda cut: [pair for s in cut if s for pair in pairs_of([s])],
                ),
            ),
        ),
    )
