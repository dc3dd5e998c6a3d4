"""Labels of words: spans and how well they are found, a loss without padding, words never seen and their shape."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np

from companion.exercises.comparing import described
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Unfit, exercise

KINDS = ("PER", "LOC", "ORG")
LARGE = 1e3  # of logits: np.exp overflows beyond 709


@exercise("spans-of", "spans", "From labels to spans", "implement", stray=("begins", "nothing"), stop=("after", "last"))
def spans(rng: np.random.Generator, stray: str, stop: str) -> Key:
    begins, last = stray == "begins", stop == "last"

    def span_by_span(labels):
        found, start = [], 0
        while start < len(labels):
            mark, kind, end = labels[start][0], labels[start][2:], start + 1
            if mark == "B" or mark == "I" and begins:
                while labels[end : end + 1] == [f"I-{kind}"]:
                    end += 1
                found.append((start, end - last, kind))
            start = end
        return found

    def case(name, labels):
        return Case(name, {"labels": labels.split()})

    def drawn(words):
        marks, kinds = rng.choice(["B-", "I-", "I-", "O"], words), rng.choice(KINDS[:2], words)
        return " ".join(mark if mark == "O" else mark + kind for mark, kind in zip(marks, kinds, strict=True))

    return Key(
        cases=(
            case("one span of one word", "O B-PER O"),
            case("one span of two words", "O B-LOC I-LOC O O"),
            case("one word", "B-LOC"),
            case("no span", "O O"),
            case("an empty sentence", ""),
            case("a span at the end", "B-PER I-PER O B-LOC I-LOC"),
            case("two of a kind side by side", "B-PER B-PER I-PER O"),
            case("two kinds side by side", "B-ORG I-ORG B-PER I-PER I-PER"),
            case("an I- after O", "O I-ORG I-ORG O"),
            case("an I- at the start", "I-PER I-PER O B-PER"),
            case("an I- behind a gap", "B-PER O I-PER O"),
            case("an I- after another kind", "B-PER I-LOC I-LOC O"),
            case("another kind in between", "B-PER I-LOC I-PER"),
            *(case(f"random labels {number}", drawn(10)) for number in (1, 2)),
        ),
        also_right=(span_by_span,),
        view=_spans_in_words,
        words={
            "stray_words": "begins a span of kind `X`, as the scorer of the CoNLL tasks has it"
            if begins
            else "belongs to no span, and neither does an `I-X` that follows such a word",
            "stop_words": "the span's last word"
            if last
            else "the word after the span's last, whether there is one or not",
            "example": str(span_by_span(["O", "B-PER", "I-PER", "I-LOC"])).replace("'", '"'),
            "last": "t - 1" if last else "t",
            "begins": 'mark == "B" or mark == "I" and not goes_on' if begins else 'mark == "B"',
            "why": "An `I-X` that continues nothing begins a span, as a `B-X` does."
            if begins
            else "An `I-X` that continues nothing closes what is open, as an `O` does, and opens nothing.",
        },
    )


def _spans_in_words(arguments: Mapping[str, Any], returned: Any) -> str:
    """All spans as one text, so that a report shows which there are where their number is wrong."""
    if not isinstance(returned, list | tuple):
        raise Unfit(f"a list of triples (start, stop, kind) is asked for, and this is {described(returned)}")
    for span in returned:
        if not isinstance(span, list | tuple) or len(span) != 3:
            raise Unfit(f"each span is a triple (start, stop, kind), and one of yours is {described(span)}")
    return ", ".join(f"{start}, {stop}, {kind}" for start, stop, kind in returned) or "no span"


@exercise("span-f1", "span_scores", "Precision, recall and F of spans", "implement", beta=(1, 2, 0.5))
def span_f1(rng: np.random.Generator, beta: float) -> Key:
    def span_by_span(wanted, found):
        """By the counts of what is missed and of what is found in vain."""
        right = missed = in_vain = 0
        for w, f in zip(wanted, found, strict=True):
            for span in w:
                right += span in f
                missed += span not in f
            in_vain += sum(span not in w for span in f)
        if not right:
            return 0.0, 0.0, 0.0
        P, R = right / (right + in_vain), right / (right + missed)
        return P, R, (1 + beta**2) * right / ((1 + beta**2) * right + beta**2 * missed + in_vain)

    def case(name, wanted, found):
        return Case(name, {"wanted": wanted, "found": found})

    def drawn(words):
        """Spans of up to three words, with gaps."""
        one, start = [], int(rng.integers(3))
        while start < words:
            stop = start + int(rng.integers(1, 4))
            one.append((start, stop, KINDS[rng.integers(2)]))
            start = stop + int(rng.integers(2))
        return one

    def disturbed(one):
        """Most spans of a sentence, some with another kind or a word less."""
        kept = [span for span in one if rng.random() < 0.8]
        return [
            (start, max(stop - int(rng.integers(2)), start + 1), kind if rng.random() < 0.8 else "ORG")
            for start, stop, kind in kept
        ]

    texts = [[drawn(words) for words in (12, 3, 20, 7)] for _ in range(2)]
    per, loc = (0, 1, "PER"), (2, 4, "LOC")
    return Key(
        cases=(
            case("one of two found", [[per, loc]], [[loc]]),
            case("one too many", [[loc]], [[per, loc]]),
            case("all found, in another order", [[per, loc], [per]], [[loc, per], [per]]),
            case("nothing found", [[per], [loc]], [[], []]),
            case("nothing wanted", [[], []], [[], [loc]]),
            case("nothing wanted, nothing found", [[]], [[]]),
            case("nothing right", [[per]], [[loc]]),
            case("a word too few", [[(1, 4, "ORG"), per]], [[(1, 3, "ORG"), per]]),
            case("a word too many at the start", [[(1, 4, "ORG"), (5, 6, "PER")]], [[(0, 4, "ORG"), (5, 6, "PER")]]),
            case("another kind", [[per, loc]], [[per, (2, 4, "ORG")]]),
            case("of one kind in two places", [[per, loc]], [[(5, 6, "PER"), loc]]),
            case("found in another sentence", [[per], [loc], []], [[], [loc], [per]]),
            case("equal spans of two sentences", [[per], [per], [per, loc]], [[per], [], [per]]),
            case(
                "a long sentence and a short one", [[per, loc, (5, 6, "PER"), (7, 9, "LOC")], [per]], [[per, loc], []]
            ),
            *(case(f"a random text {number}", text, [*map(disturbed, text)]) for number, text in enumerate(texts, 1)),
        ),
        also_right=(span_by_span,),
        returns=("P", "R", "F"),
        words={
            "beta": f"{beta:g}",
            "F": {
                1: "2 * P * R / (P + R)",
                2: "5 * P * R / (4 * P + R)",
                0.5: "1.25 * P * R / (0.25 * P + R)",
            }[beta],
            "weighs": {
                1: "both count alike",
                2: "recall counts for more than precision",
                0.5: "precision counts for more than recall",
            }[beta],
        },
    )


@exercise("masked-loss", "tagging_loss", "A loss without the padding", "derive", over=("words", "sentences"))
def masked_loss(rng: np.random.Generator, over: str) -> Key:
    def word_by_word(logits, targets, lengths):
        loss, dlogits = 0.0, np.zeros_like(logits)
        share = 1 / (sum(lengths) if over == "words" else len(lengths))
        for b, n in enumerate(lengths):
            for t in range(n):
                log_y = logits[t, b] - np.logaddexp.reduce(logits[t, b])
                loss -= share * log_y[targets[t, b]]
                dlogits[t, b] = share * np.exp(log_y)
                dlogits[t, b, targets[t, b]] -= share
        return loss, dlogits

    def case(name, T, O, lengths, scale=1.0, padding=3.0):
        B = len(lengths)
        logits, real = normal(rng, T, B, O, scale=scale), np.arange(T)[:, None] < np.array(lengths)
        logits[~real] = normal(rng, int((~real).sum()), O, scale=padding)
        targets = rng.integers(O, size=(T, B))
        if padding == LARGE:  # a row of padding whose exponentials overflow, whatever was drawn
            logits[-1, -1, 0] = 5 * LARGE
        if scale == LARGE:  # and a word for whose class the probability is rounded to 0
            logits[0, 0, (targets[0, 0] + 1) % O] = 5 * LARGE
        return Case(name, {"logits": logits, "targets": targets, "lengths": np.array(lengths)})

    return Key(
        cases=(
            case("two sentences", 3, 3, [3, 2]),
            case("T = 1", 1, 4, [1, 1]),
            case("B = 1", 4, 3, [2]),
            case("one word each", 3, 2, [1, 1, 1]),
            case("all full", 3, 4, [3, 3]),
            case("everything square", 3, 3, [2, 3, 1]),
            case("five sentences", 7, 5, [4, 7, 1, 6, 2]),
            case("large numbers in the padding", 4, 3, [2, 4, 1], padding=LARGE),
            case("large logits", 4, 3, [4, 2], scale=LARGE, padding=LARGE),
        ),
        also_right=(word_by_word,),
        returns=("loss", "dlogits"),
        axes={"dlogits": "T B O"},
        words={
            "loss_words": "the mean of the cross-entropies of all words that are no padding, whichever sentence they "
            "stand in"
            if over == "words"
            else "the sum of the cross-entropies of a sentence's words, padding left out, averaged over the $B$ "
            "sentences",
            "count": "real.sum()" if over == "words" else "B",
            "divided": "the number of words in the batch" if over == "words" else "the number of sentences",
        },
    )


@exercise(
    "unknown-words",
    "numbered",
    "Numbers for words, known or not",
    "implement",
    order=("alphabetical", "first", "frequency"),
    case=("folded", "kept"),
)
def unknown_words(rng: np.random.Generator, order: str, case: str) -> Key:
    folded = case == "folded"

    def by_sorting(training, sentences, least):
        """By the sorted words of a whole text, where equal ones stand side by side."""
        pooled = np.array([w.lower() if folded else w for sentence in training for w in sentence], dtype=str)
        words, first, count = np.unique(pooled, return_index=True, return_counts=True)
        sign = {"alphabetical": np.zeros(len(words)), "first": first, "frequency": -count}[order]
        places = np.argsort(sign, kind="stable")
        known = [str(words[place]) for place in places if count[place] >= least]
        looked_up = [[w.lower() if folded else w for w in sentence] for sentence in sentences]
        return [[known.index(w) + 1 if w in known else 0 for w in sentence] for sentence in looked_up]

    def made(name, training, sentences, least):
        texts = {"training": training, "sentences": sentences}
        return Case(name, {**{key: [line.split() for line in text] for key, text in texts.items()}, "least": least})

    def drawn(count):
        words = ["we", "We", "say", "it", "It", "now", "then", "people", "People", "of"]
        chance = np.arange(len(words), 0, -1) / sum(range(len(words) + 1))
        return [" ".join(rng.choice(words, int(size), p=chance)) for size in rng.integers(2, 9, count)]

    example = ["The cat saw Ann", "Ann saw the dog"]
    number = by_sorting([line.split() for line in example], ["the dog saw Ann".split()], 2)
    return Key(
        cases=(
            made("every word is known", ["b a", "a b"], ["a b a"], 1),
            made("the example", example, ["the dog saw Ann"], 2),
            made("a word that is never seen", ["to be or not"], ["to see or not", "see"], 1),
            made("words of the sentences only", ["we say"], ["it it it", "we we"], 2),
            made("a rare word in between", ["b a c b c", "c"], ["a b c"], 2),
            made("twice in one sentence", ["b b a", "a c"], ["a b c"], 2),
            made("exactly as often as asked for", ["a a b b b b", "c a b"], ["a b c"], 3),
            made("nothing is known", ["a b", "c d"], ["a b", "d"], 2),
            made("an empty sentence", ["a b", "", "b"], ["", "b a"], 1),
            made("capitals", ["We say we", "say We", "Now we"], ["we We now NOW", "WE say"], 2),
            made("each order is another", ["d a b", "c b d b", "c a c b"], ["a b c d"], 2),
            *(made(f"a random text, least {least}", drawn(9), drawn(4), least) for least in (1, 2, 4)),
        ),
        also_right=(by_sorting,),
        view=_numbers_by_sentence,
        words={
            "case_words": "Before anything else, all words are lower-cased, in both lists."
            if folded
            else "Capitals are kept: *The* and *the* are two words.",
            "order_words": {
                "alphabetical": "in alphabetical order",
                "first": "in the order in which they first occur in `training`",
                "frequency": "the most frequent word first, and words that occur equally often in alphabetical order",
            }[order]
            + ("" if folded or order == "first" else ", capitals before small letters, as `sorted` has it"),
            "example": str(number[0]),
            "low": ".lower()" if folded else "",
            "ordered": {
                "alphabetical": "sorted(counts)",
                "first": "counts",
                "frequency": "sorted(counts, key=lambda w: (-counts[w], w))",
            }[order],
            "why": {
                "alphabetical": "`sorted` puts the words in order.",
                "first": "A dictionary keeps its keys in the order in which they came, so that nothing is sorted.",
                "frequency": "The key of the sorting is a pair: the count with a minus, and then the word itself.",
            }[order],
        },
    )


def _numbers_by_sentence(arguments: Mapping[str, Any], returned: Any) -> dict[str, Any]:
    """One text a sentence, so that a report shows a whole sentence."""
    asked = len(arguments["sentences"])
    if not isinstance(returned, list | tuple) or len(returned) != asked:
        raise Unfit(
            f"a list with one list for each sentence is asked for, {asked} in all, and this is {described(returned)}"
        )
    for one in returned:
        if not isinstance(one, list | tuple | np.ndarray):
            raise Unfit(f"each sentence has a list of numbers, and one of yours is {described(one)}")
    return {f"sentence {t}": ", ".join(map(str, one)) or "no number" for t, one in enumerate(returned)}


@exercise("word-shape", "shape", "The shape of a word", "implement", limit=(1, 2, 3), digit=("9", "d", "0"))
def word_shape(rng: np.random.Generator, limit: int, digit: str) -> Key:
    def run_by_run(word):
        def sign(letter):
            if letter in "0123456789":
                return digit
            if letter.lower() == letter.upper():  # neither of the two
                return letter
            return "x" if letter == letter.lower() else "X"

        return "".join("".join(list(run)[:limit]) for _, run in groupby(map(sign, word)))

    def drawn(letters, size):
        return "".join(rng.choice(list(letters), size))

    words = "Ann I 1987 McDonald's ABC AAA AbAb 2nd 12 e-mail ... -- U.S.A. AB-12-CD aabbb a1b2 3,500 ÉCOLE Straße x9X"
    return Key(
        cases=(
            *(Case(word, {"word": word}) for word in words.split()),
            Case("long runs", {"word": "BBBbbbb4444----''é"}),
            Case("no letter at all", {"word": ""}),
            *(Case(f"random letters {size}", {"word": drawn("aBCd12-.É", size)}) for size in (9, 30)),
        ),
        also_right=(run_by_run,),
        words={
            "digit_words": f"a `{digit}`",
            "limit_words": {1: "once", 2: "twice", 3: "three times"}[limit],
            "kept_words": {1: "one is", 2: "two are", 3: "three are"}[limit],
            "same": f"[{', '.join(['sign'] * limit)}]",
            "mcdonald": run_by_run("McDonald's"),
            "second": run_by_run("2nd"),
            "number": run_by_run("3,500"),
        },
    )
