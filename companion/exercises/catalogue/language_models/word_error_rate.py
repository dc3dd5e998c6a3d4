"""The word error rate."""

from __future__ import annotations

from collections import Counter
from difflib import SequenceMatcher
from functools import cache
from typing import Any

import numpy as np

from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.rnn.measures import align


@exercise(
    "word-error-rate",
    chapter="language-models",
    name="word_error_rate",
    title="The word error rate",
    kind="implement",
    ask={"cost": (1, 2), "over": ("reference", "longer")},
)
def error_rate(rng: np.random.Generator, cost: int, over: str) -> Key:
    def length(reference, hypothesis, over=over):
        return len(reference) if over == "reference" else max(len(reference), len(hypothesis))

    def edits(reference, hypothesis, *, cost=cost, deletion=1, insertion=1, border=1, back=1, exchange=False):
        table = np.zeros((len(reference) + 1, len(hypothesis) + 1))
        table[:, 0] = border * deletion * np.arange(len(reference) + 1)
        table[0, :] = border * insertion * np.arange(len(hypothesis) + 1)
        for i in range(1, len(reference) + 1):
            for j in range(1, len(hypothesis) + 1):
                table[i, j] = min(
                    table[i - 1, j - 1] + (0 if reference[i - back] == hypothesis[j - back] else cost),
                    table[i - 1, j] + deletion,
                    table[i, j - 1] + insertion,
                )
                if exchange and min(i, j) > 1 and reference[i - 2 : i] == hypothesis[j - 2 : j][::-1]:
                    table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
        return float(table[-1, -1])

    def answer(reference, hypothesis):
        return edits(reference, hypothesis) / length(reference, hypothesis)

    def by_recursion(reference, hypothesis):
        @cache
        def fewest(i, j):
            if i == 0 or j == 0:
                return i + j
            last = 0 if reference[i - 1] == hypothesis[j - 1] else cost
            return min(fewest(i - 1, j - 1) + last, fewest(i - 1, j) + 1, fewest(i, j - 1) + 1)

        return fewest(len(reference), len(hypothesis)) / length(reference, hypothesis)

    def row_by_row(reference, hypothesis):
        row = list(range(len(hypothesis) + 1))
        for i, r in enumerate(reference, start=1):
            above, row = row, [i]
            for j, h in enumerate(hypothesis):
                row.append(min(above[j] + (r != h) * cost, above[j + 1] + 1, row[j] + 1))
        return row[-1] / length(reference, hypothesis)

    def of_the_course(reference, hypothesis):
        found = align(reference, hypothesis)
        return (found.substitutions + found.deletions + found.insertions) / length(reference, hypothesis)

    def with_slip(**slip):
        return lambda reference, hypothesis: edits(reference, hypothesis, **slip) / length(reference, hypothesis)

    def by_hypothesis(reference, hypothesis):
        with np.errstate(all="ignore"):  # of an array, as the table is, a division by 0 is infinite
            return float(np.float64(edits(reference, hypothesis)) / len(hypothesis))

    def place_by_place(reference, hypothesis):
        different = sum(r != h for r, h in zip(reference, hypothesis, strict=False))
        return (cost * different + abs(len(reference) - len(hypothesis))) / length(reference, hypothesis)

    def without_order(reference, hypothesis):
        missing, added = Counter(reference) - Counter(hypothesis), Counter(hypothesis) - Counter(reference)
        return replaced(missing.total(), added.total()) / length(reference, hypothesis)

    def replaced(said, heard):
        """The cost of replacing so many words by so many others."""
        return cost * min(said, heard) + abs(said - heard)

    def by_blocks(reference, hypothesis):
        """The longest block that both share stays, then the longest on either side of it."""
        blocks = SequenceMatcher(None, reference, hypothesis, autojunk=False).get_opcodes()
        total = sum(replaced(j - i, n - m) for tag, i, j, m, n in blocks if tag != "equal")
        return total / length(reference, hypothesis)

    def in_small_letters(reference, hypothesis):
        return answer([word.lower() for word in reference], [word.lower() for word in hypothesis])

    capped = Misconception(
        "the rate is cut off at 1",
        "Insertions are not bounded by the number of words that were said. Should a rate above 1 be hidden?",
        lambda reference, hypothesis: min(answer(reference, hypothesis), 1.0),
    )
    never_above_1 = cost == 1 and over == "longer"

    def case(name, reference, hypothesis):
        return Case(name, {"reference": reference.split(), "hypothesis": hypothesis.split()})

    def some(size):
        return " ".join(rng.choice(["we", "the", "people", "of"], size))

    words: dict[str, Any] = {
        "divisor": "the number of words in the reference"
        if over == "reference"
        else "the number of words in the longer of the two",
        "length": "R" if over == "reference" else "max(R, H)",
        "compare": ""
        if (cost, over) == (1, "reference")
        else " This is not the chapter's definition: compare the two, term by term.",
        "price": "Each of the three edits costs 1."
        if cost == 1
        else "A deletion or an insertion costs 1, a substitution costs 2, as much as a deletion and an insertion.",
        "total": r"S + D + I" if cost == 1 else r"2S + D + I",
        "below": "N" if over == "reference" else r"\max(N, M)",
        "example": {
            (1, "reference"): "2/3",
            (2, "reference"): "3/3 = 1",
            (1, "longer"): "2/4",
            (2, "longer"): "3/4",
        }[cost, over],
        "sum": f"a substitution and an insertion, at a cost of {cost + 1}",
    }
    return Key(
        answer=answer,
        also_right=(by_recursion, row_by_row, *((of_the_course,) if cost == 1 else ())),
        words=words,
        cases=(
            case("one word, recognised", "yes", "yes"),
            case("one word, mistaken", "yes", "no"),
            case("a word left out", "we the people", "we people"),
            case("a word added", "we people", "we the people"),
            case("nothing heard", "to be", ""),
            case("more heard than said", "yes", "we say it now"),
            case("nothing in common", "to be or", "we say it now"),
            case("two neighbours exchanged", "to be or not", "to or be not"),
            case("the last two exchanged", "to be or not", "to be not or"),
            case("one of two left in its place", "yes we", "no we yes"),
            case("only one word kept in place", "we say it now", "say now it we"),
            case("a capital letter", "The people", "the people"),
            case("one of four mistaken", "to be or not", "to be or now"),
            case("begun anew", "we say it now say it", "we say it"),
            case("repeated words", "to be or not to be", "be to be or to be be"),
            case("a mixture", some(9), some(7)),
        ),
        hints=(
            "Let cost[i, j] be the lowest cost of turning the first i words of the reference into the first j words of "
            "the hypothesis. What are cost[i, 0] and cost[0, j]?",
            "The end of a cheapest alignment is one of three: the last words stand side by side, a word of the "
            "reference is deleted, or a word of the hypothesis is inserted.",
            "Each of the three comes from a neighbour in the table: up and left, up, left. Take the smallest. What "
            "stands in the last corner is then divided.",
        ),
        misconceptions=(
            Misconception(
                "compared place by place",
                "One word left out shifts all that follow. Align the two before you count what differs.",
                place_by_place,
            ),
            Misconception(
                "the order of the words does not count",
                "Exchange two neighbouring words: are there no errors? Counting which words occur is not enough.",
                without_order,
            ),
            Misconception(
                "letters are compared, not words",
                "A word is right or wrong as a whole, and the divisor counts words. Do you join the words to a text, "
                "or walk through the letters of one?",
                lambda reference, hypothesis: answer(" ".join(reference), " ".join(hypothesis)),
            ),
            Misconception(
                "capital and small letters are taken for equal",
                "Two words are equal or they are not; the statement has no rule for capitals. What do you do to the "
                "words before you compare them?",
                in_small_letters,
            ),
            Misconception(
                "an exchange of two neighbours counts as one edit",
                "There are three edits: substitution, deletion and insertion. Which of your steps in the table is a "
                "fourth?",
                with_slip(exchange=True),
            ),
            Misconception(
                "the words compared are not those of the entry",
                "Entry [i, j] of the table is about the first i and the first j words. At which index, counted from 0, "
                "does the last of each stand, and which words do you compare in row 1?",
                with_slip(back=2),
            ),
            Misconception(
                "aligned block by block, not at the lowest cost",
                "To keep the longest common block first, as difflib does, can cost more than another alignment. What "
                "finds the cheapest of all?",
                by_blocks,
            ),
            Misconception(
                "insertions cost nothing",
                "Add a word to the hypothesis. Does your rate go up? Look at the step along it and at row 0.",
                with_slip(insertion=0),
            ),
            Misconception(
                "deletions cost nothing",
                "Leave a word out of the hypothesis. Does your rate go up? Look at the step along the "
                "reference and at column 0.",
                with_slip(deletion=0),
            ),
            Misconception(
                "the border of the table is zero",
                "Turning three words into none takes three deletions. What stands in the first row and column?",
                with_slip(border=0),
            ),
            Misconception(
                "the last words are not looked at",
                "One word said and another heard costs you nothing. How many rows and columns has the table, and which "
                "corner do you return?",
                lambda reference, hypothesis: edits(reference[:-1], hypothesis[:-1]) / length(reference, hypothesis),
            ),
            Misconception(
                "a substitution has another cost",
                "Look at the case of one mistaken word. What does the statement charge for a substitution?",
                with_slip(cost=3 - cost),
            ),
            Misconception(
                "not divided",
                "A rate is a number of edits for each word. What do you divide by?",
                lambda reference, hypothesis: edits(reference, hypothesis),
            ),
            Misconception(
                "divided by the length of the hypothesis",
                "A recogniser that babbles should not get a lower rate for it. Whose words are counted below the line?",
                by_hypothesis,
            ),
            Misconception(
                "how much is right, not how much is wrong",
                "Where all is recognised the rate is 0. Do you subtract from 1?",
                lambda reference, hypothesis: 1 - answer(reference, hypothesis),
            ),
            Misconception(
                "divided without a remainder",
                "// rounds down to a whole number. Which sign divides?",
                lambda reference, hypothesis: edits(reference, hypothesis) // length(reference, hypothesis),
            ),
            Misconception(
                "divided by the longer of the two" if over == "reference" else "always divided by the reference",
                "Read again what stands below the line of the fraction.",
                lambda reference, hypothesis: (
                    edits(reference, hypothesis)
                    / length(reference, hypothesis, "longer" if over == "reference" else "reference")
                ),
            ),
            *(() if never_above_1 else (capped,)),
        ),
    )
