"""What companion gives can be pickled and copied: for a pool of processes, and to be kept. It computes the same after.

To add something, add it to KEPT: what it is, and what is asked of it before and after.
"""

import copy
import pickle

import numpy as np
import pytest

from companion import (
    LSTM,
    Elman,
    Jordan,
    forward,
    initial_weights,
    network_shapes,
    readout_shapes,
    run_network,
    weight_shapes,
)
from companion.applications import bleu, crf, fitting, network, parallel, pooling, spans, translator, words
from companion.applications import corpora as labelled_texts
from companion.bptt import dynamics, long_lags, rtrl, truncation
from companion.core import functions
from companion.core.dropout import MaskedState
from companion.core.functions import IDENTITY, RELU, SIGMOID, SOFTMAX, TANH, Activation
from companion.core.networks import final_state
from companion.core.optimisers import Adam
from companion.gates import agreement, anbn, reber
from companion.rnn import agreement_in_text, corpora, measures, ngrams, vocabulary
from companion.rnn.language_model import RecurrentLanguageModel

ACTIVATIONS = (TANH, SIGMOID, RELU, IDENTITY, SOFTMAX)
TEXT = [np.array([1, 2, 1, 0]), np.array([2, 0])]
COUNTS = ngrams.count(TEXT, 2, 3)
CELL = Elman(2, 3)
WEIGHTS = initial_weights(weight_shapes(CELL) | readout_shapes(3, 2), np.random.default_rng(0), 0.5)
TAPE = forward(CELL, {name: WEIGHTS[name] for name in weight_shapes(CELL)}, np.ones((4, 1, 2)))[1]


def double(a):
    return 2 * a


def drawn(task):
    return task.batch(np.random.default_rng(0), 3), task.baseline


STACK = [Elman(3, 2), LSTM(2, 2)]
MODEL = RecurrentLanguageModel(STACK, initial_weights(network_shapes(STACK, 3), np.random.default_rng(0), 0.5))
MASKED = MaskedState(CELL, np.ones((1, 3)))

READER = network.Network({"word": (5, 2)}, [(Elman(2, 1), Elman(2, 1))], network.Chain(), 2)
READER_WEIGHTS = initial_weights(READER.shapes(), np.random.default_rng(0), 0.5)
EXAMPLE = fitting.Example(np.array([[2], [4]]), np.array([0, 1]))
WALK = crf.log_partition({name: READER_WEIGHTS[name] for name in crf.NAMES}, np.ones((3, 1, 2)))
READING = network.read(READER, READER_WEIGHTS, *fitting.batch([EXAMPLE])[:2])
POOLINGS = (pooling.LAST, pooling.ENDS, pooling.MEAN, pooling.MAX)
BOTH = translator.Translator([(Elman(3, 2), Elman(3, 1))], LSTM(4, 2))
BOTH_WEIGHTS = initial_weights(BOTH.shapes(), np.random.default_rng(0), 0.5)
ENCODING = translator.encode(BOTH, BOTH_WEIGHTS, np.array([[1], [0]]), [2])
PAIR = parallel.Translated(("a",), ("b",))
STATES = np.arange(8.0).reshape(2, 2, 2)

KEPT = {
    "core.networks.Pass": (run_network(STACK, MODEL.weights, np.array([[1]])), lambda done: final_state(done.tape)),
    "core.dropout.MaskedState": (MASKED, lambda cell: (cell.wiring, cell.mask)),
    "rnn.language_model.RecurrentLanguageModel": (MODEL, lambda model: model.log_probabilities(TEXT)),
    **{f"core.functions.{g.name}": (g, lambda g: (g(np.ones(3)), g.slopes(np.ones(3)))) for g in ACTIVATIONS},
    "core.functions.Activation": (Activation("double", double, np.ones_like, np.multiply), lambda g: g(np.ones(3))),
    "rnn.cells.Elman": (Elman(2, 3, SIGMOID), lambda cell: cell.activation(np.ones(3))),
    "rnn.cells.Jordan": (Jordan(2, 3, 4), lambda cell: cell.output_activation(np.ones(3))),
    "rnn.vocabulary": (vocabulary.word_vocabulary(["a b a".split()], 3), lambda v: (v.encode(["a", "x"]), v.tokens)),
    "rnn.corpora.Split": (corpora.Split(("a",), ("b",), ("c",)), lambda split: split.training),
    "rnn.corpora.Address": (corpora.Address(1790, "Washington", (("a",),)), lambda address: address.sentences),
    "rnn.ngrams.Counts": (COUNTS, lambda counts: counts.continuations(2, 1)),
    "rnn.ngrams.MaximumLikelihood": (ngrams.MaximumLikelihood(COUNTS), lambda m: m.log_probabilities(TEXT)),
    "rnn.ngrams.AddK": (ngrams.AddK(COUNTS, 0.1), lambda m: m.log_probabilities(TEXT)),
    "rnn.ngrams.Interpolated": (ngrams.interpolate(COUNTS, TEXT), lambda m: m.log_probabilities(TEXT)),
    "rnn.measures.Alignment": (measures.align(list("abc"), list("abd")), str),
    "rnn.agreement_in_text.Prompt": (agreement_in_text.prompts(2)[0], lambda prompt: prompt.words),
    "gates.reber.Grammar": (reber.EMBEDDED_REBER, lambda g: (g.expected_length, g.generate(np.random.default_rng(0)))),
    "gates.reber.EmbeddedReber": (reber.EmbeddedReber(), drawn),
    "gates.anbn.Counting": (anbn.Counting(2, 5), drawn),
    "gates.agreement.Agreement": (agreement.Agreement(0, 3), drawn),
    **{f"applications.pooling.{p.name}": (p, lambda p: (p(STATES, [2, 1]), p.pull(STATES, [2, 1], STATES[0])))
       for p in POOLINGS},
    "applications.pooling.Pooling": (
        pooling.Pooling("mine", double, np.multiply), lambda p: (p.apply(np.ones(3)), p.pull(np.ones(3), 2)),
    ),
    "applications.crf.Walk": (WALK, lambda walk: (walk.log_Z, crf.marginals(walk).of_pairs)),
    "applications.crf.Marginals": (crf.marginals(WALK), lambda found: (found.of_labels, found.of_pairs)),
    "applications.network.OneAnswer": (network.OneAnswer(pooling.MEAN), lambda head: head.pool(STATES, [2, 1])),
    "applications.network.EachWord": (network.EachWord(), lambda head: head.shapes(2, 3)),
    "applications.network.Chain": (network.Chain(), lambda head: head.shapes(2, 3)),
    "applications.network.Network": (
        READER, lambda reader: network.answer(reader, READER_WEIGHTS, np.array([[[3]], [[4]]]), [2]),
    ),
    "applications.network.Reading": (READING, lambda reading: network.gradients_of(reading, np.ones((2, 1, 2)))),
    "applications.fitting.Example": (EXAMPLE, lambda example: fitting.batch([example])),
    "applications.fitting.Settings": (fitting.Settings(1, 0.1), vars),
    "applications.fitting.Epoch": (
        next(fitting.fit(READER, [EXAMPLE], fitting.Settings(1, 0.1), np.random.default_rng(0))),
        lambda epoch: (epoch.number, epoch.loss, epoch.weights),
    ),
    "applications.fitting.Descent": (fitting.Descent(1, 0.1), vars),
    "applications.translator.Translator": (
        BOTH, lambda both: (both.shapes(), translator.translate(both, BOTH_WEIGHTS, [np.array([1, 0])], 3)),
    ),
    "applications.translator.Encoding": (ENCODING, lambda encoding: (encoding.e, encoding.state)),
    "applications.bleu.Bleu": (bleu.bleu([[1, 2, 1]], [[1, 2, 3]], 2), lambda found: (found.score, found.precisions)),
    "applications.parallel.Translated": (PAIR, vars),
    "applications.parallel.Bilingual": (parallel.bilingual([PAIR]), lambda both: both.encode([PAIR])),
    "applications.words.Feature": (words.Feature("capitals", str.upper), lambda feature: feature.of("a")),
    "applications.words.Numbering": (words.numbering([["a", "A"]], words.AFFIXES), lambda n: n.encode(["a", "b"])),
    "applications.spans.Scores": (spans.Scores(1, 2, 3), lambda scores: scores.F1),
    "applications.corpora.Labelled": (labelled_texts.Labelled(("a",), ("A",)), vars),
    "applications.corpora.Classified": (labelled_texts.Classified(("a",), "good"), vars),
    "bptt.long_lags.AddingProblem": (long_lags.AddingProblem(9), drawn),
    "bptt.long_lags.AddingProblem1997": (long_lags.AddingProblem1997(30), drawn),
    "bptt.long_lags.CopyMemory": (long_lags.CopyMemory(9), drawn),
    "bptt.long_lags.TemporalOrder": (long_lags.TemporalOrder(), drawn),
    "bptt.rtrl.Running": (rtrl.start(CELL, [[1, 2, 3]]), lambda r: rtrl.advance(CELL, WEIGHTS, r, [[1, 2]]).P),
    "bptt.truncation.Window": (truncation.Window(2, 5, 3), lambda window: (window.steps, window.answering)),
    "bptt.truncation.Update": (
        next(truncation.truncated_training(CELL, WEIGHTS, np.ones((4, 1, 2)), np.ones((4, 1), int), 2, 3, Adam(0.1))),
        lambda update: (update.loss, update.weights, update.optimiser.m),
    ),
    "bptt.dynamics.Modes": (dynamics.modes(np.array([[0.5, 1.0], [0.0, 0.9]])), lambda modes: modes.power(3)),
    "bptt.dynamics.NormBounds": (dynamics.norm_bounds(TAPE), lambda bounds: (bounds.norm, bounds.check())),
}  # fmt: skip

WAYS = {
    **{f"pickle {n}": lambda o, n=n: pickle.loads(pickle.dumps(o, n)) for n in range(2, pickle.HIGHEST_PROTOCOL + 1)},
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", KEPT)
def test_it_computes_the_same_afterwards(name, way):
    kept, ask = KEPT[name]
    again = WAYS[way](kept)
    assert type(again) is type(kept)
    np.testing.assert_equal(ask(again), ask(kept))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda g: g.name)
def test_an_activation_of_the_course_is_the_same_object_afterwards(activation, way):
    """The core asks `is TANH`."""
    assert WAYS[way](activation) is activation
    assert WAYS[way](Elman(2, 3, activation)) == Elman(2, 3, activation)
    assert hash(WAYS[way](Elman(2, 3, activation))) == hash(Elman(2, 3, activation))


@pytest.mark.parametrize("way", WAYS)
def test_another_activation_is_equal_to_itself_afterwards_and_to_no_other(way):
    mine = Activation("tanh", double, np.ones_like, np.multiply)  # not the course's, whatever it is called
    again = WAYS[way](mine)
    assert again == mine and hash(again) == hash(mine)
    assert again is not TANH and again != TANH


def test_every_dataclass_of_these_modules_is_kept():
    """A dataclass that is added is added to KEPT too."""
    listed = {type(kept) for kept, _ in KEPT.values()}
    modules = (functions, vocabulary, corpora, ngrams, measures, agreement_in_text, agreement, anbn, reber, dynamics)
    modules += (long_lags, rtrl, truncation, pooling, crf, network, fitting, words, spans, labelled_texts)
    modules += (translator, bleu, parallel)
    for module in modules:
        for name, item in vars(module).items():
            own = (
                isinstance(item, type) and item.__module__ == module.__name__ and hasattr(item, "__dataclass_fields__")
            )
            assert not own or name.startswith("_") or item in listed or any(issubclass(k, item) for k in listed), name
