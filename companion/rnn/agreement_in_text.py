"""Does a language model know that a verb agrees with its subject when other words stand between them?

Prompts of the form "the laws of the union ⟨is/are⟩": after each the model must find the right form of the verb more
probable than the wrong one. Singular and plural subjects are paired, so that a model that no longer sees the subject
is right on exactly half of them. The idea is that of Linzen, Dupoux and Goldberg (2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.core.validation import Array, require_probabilities, require_size
from companion.rnn.measures import LanguageModel
from companion.rnn.vocabulary import Vocabulary

SUBJECTS = (
    "report reports law laws state states treaty treaties nation nations bank banks department departments man men "
    "right rights officer officers citizen citizens question questions interest interests power powers system systems "
    "country countries act acts program programs bill bills measure measures duty duties principle principles "
    "agreement agreements message messages city cities port ports child children family families school schools "
    "vessel vessels claim claims republic republics object objects subject subjects"
).split()
VERBS = (("is", "are"), ("was", "were"), ("has", "have"))
BETWEEN = {
    0: ("",),
    1: ("also", "now", "still"),
    2: ("of congress", "of mexico", "for peace"),
    3: ("of the senate", "of the union", "in this country"),
    4: ("of the american people", "of the federal government", "of our foreign commerce"),
    5: ("of the people of mexico", "of the government of spain", "of the secretary of war"),
    6: ("of the government of the union", "of the people of the country", "of the bank of the state"),
}


@dataclass(frozen=True)
class Prompt:
    """Words before a verb, its form that agrees with the subject, and the form that does not."""

    words: tuple[str, ...]
    right: str
    wrong: str


def prompts(k: int) -> list[Prompt]:
    """All prompts with k words between subject and verb. Raises ValueError for a k outside 0 … 6."""
    if require_size("k", k, least=0) not in BETWEEN:
        raise ValueError(f"k: expected a whole number from 0 to {max(BETWEEN)}, got {k!r}")
    found = []
    for singular, plural in zip(SUBJECTS[::2], SUBJECTS[1::2], strict=True):
        for between in BETWEEN[k]:
            for one, many in VERBS:
                found.append(Prompt(("the", singular, *between.split()), one, many))
                found.append(Prompt(("the", plural, *between.split()), many, one))
    return found


def accuracy(model: LanguageModel, vocabulary: Vocabulary, k: int) -> float:
    """Share of the prompts after which the right form is more probable; equal probabilities count half.

    Raises ValueError when a word of the prompts is not in the vocabulary, and when the model's is another.
    """
    right, wrong = _probabilities(model, vocabulary, k).T
    return float(((right > wrong) + (right == wrong) / 2).mean())


def sensitivity(model: LanguageModel, vocabulary: Vocabulary, k: int) -> float:
    """Mean of log p(right) − log p(wrong) over the prompts, in nats: how far the subject's number moves the verb.

    What the model prefers whatever the subject cancels between a prompt and its twin; 0 means that it sees no subject.
    Raises ValueError as `accuracy` does, and where a form has probability 0, whose logarithm is no number.
    """
    p = _probabilities(model, vocabulary, k)
    if not p.all():
        raise ValueError("model: expected probabilities above 0 for both forms of the verb, got 0; smooth it")
    return float(np.log(p[:, 0] / p[:, 1]).mean())


def _probabilities(model: LanguageModel, vocabulary: Vocabulary, k: int) -> Array:
    """p(right) and p(wrong) after each prompt, (prompts, 2)."""
    asked = prompts(k)
    missing = {word for p in asked for word in (*p.words, p.right, p.wrong) if word not in vocabulary}
    if missing:
        raise ValueError(f"vocabulary: expected the words of the prompts, got one without {', '.join(sorted(missing))}")
    found = []
    for prompt in asked:
        p = model.distribution(vocabulary.encode(prompt.words)[:-1])
        p = require_probabilities("distribution", p, (len(vocabulary),))
        found.append(p[[vocabulary.number(prompt.right), vocabulary.number(prompt.wrong)]])
    return np.array(found)
