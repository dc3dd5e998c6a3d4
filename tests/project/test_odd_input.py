"""Whatever form numbers come in, a function gives what it gives for int64 or float64, or says what it expected.

A line of a table is one argument of one public function. TOKENS, VALUES, NUMBERS and SIZES are four kinds of argument:
arrays of token numbers, arrays of real numbers, one real number, one whole number. To add a function, add a line.
"""

from dataclasses import asdict, is_dataclass

import numpy as np
import pytest

from companion import Elman, deltas, forward, initial_weights, readout_shapes, weight_shapes
from companion.applications import bleu, crf, fitting, network, parallel, pooling, translator, words
from companion.bptt import dynamics, equations, initialisation, long_lags, rtrl, truncation
from companion.bptt.multiplications import count_multiplications
from companion.core import functions
from companion.core.optimisers import SGD
from companion.gates import agreement, anbn, convert, reber, weights_by_hand
from companion.gates.cells import LSTM
from companion.rnn import measures, ngrams, vocabulary

REFUSAL = r"^[\w\[\]'^ ]+: expected .*, got "  # ARGUMENT: expected …, got …

CELL = Elman(100, 2)  # reads tokens below 100
WEIGHTS = initial_weights(weight_shapes(CELL) | readout_shapes(2, 100), np.random.default_rng(0), 0.5)
SMALL = Elman(2, 2)
SMALL_WEIGHTS = initial_weights(weight_shapes(SMALL) | readout_shapes(2, 2), np.random.default_rng(0), 0.5)
H, TAPE = forward(SMALL, {name: SMALL_WEIGHTS[name] for name in weight_shapes(SMALL)}, np.ones((3, 1, 2)))
DA, _ = deltas(TAPE, {"h": np.ones_like(H)})
LOGITS = np.random.default_rng(1).normal(size=(1, 2, 100))
COUNTS = ngrams.count([np.array([5, 99, 98, 5, 99, 0]), np.array([97, 5, 0])], 4, 250)
MODEL = ngrams.Interpolated(COUNTS, (0.1, 0.2, 0.3, 0.4))
NAMES = vocabulary.character_vocabulary(["abc"])
GATED = initial_weights(weight_shapes(LSTM(2, 2)), np.random.default_rng(2), 0.5)
STATE = convert.to_torch(LSTM(2, 2), GATED)
KERAS = convert.to_keras(LSTM(2, 2), GATED)
SENTENCES, VERBS = agreement.beginnings(np.random.default_rng(0), 3, 2)
WORDS = ngrams.AddK(ngrams.count([np.array([1, 0])], 1, len(agreement.VOCABULARY)), 1)
CHAIN = initial_weights(crf.chain_shapes(100), np.random.default_rng(4), 0.5)
SCORES = np.random.default_rng(5).normal(size=(2, 2, 100))
TWO_CHAIN = initial_weights(crf.chain_shapes(2), np.random.default_rng(6), 0.5)
READER = network.Network({"word": (100, 2), "shape": (100, 1)}, [Elman(3, 2)], network.Chain(), 100)
READER_WEIGHTS = initial_weights(READER.shapes(), np.random.default_rng(7), 0.5)
READ = [[[5, 99], [98, 1]], [[97, 0], [2, 3]]]
FEW_WORDS = network.Network({"word": (50, 2)}, [Elman(2, 2)], network.OneAnswer(pooling.MEAN), 2)
BOTH = translator.Translator([(Elman(100, 2), Elman(100, 2))], LSTM(100, 2))
BOTH_WEIGHTS = initial_weights(BOTH.shapes(), np.random.default_rng(8), 0.5)
PARALLEL = [[5, 99], [0, 98]], [[97, 0], [0, 96]]
POOLED = ("last", "ends", "mean", "max")


def rng():
    return np.random.default_rng(3)


def online(x=((((1, 1),),) * 3), targets=((1,), (0,), (1,)), h_0=((0, 0),), **weight):
    return rtrl.rtrl(SMALL, SMALL_WEIGHTS | weight, x, targets, h_0)


TOKENS = {
    "core.functions.cross_entropy": ([[5, 99]], lambda a: functions.cross_entropy(LOGITS, a)),
    "core.functions.one_hot": ([5, 99], lambda a: functions.one_hot(a, 100)),
    "rnn.vocabulary.decode": ([1, 3, 2, 0], lambda a: NAMES.decode(a)),
    "rnn.ngrams.count": ([5, 99, 98, 97, 99, 0], lambda a: ngrams.count([a], 4, 100)),
    "rnn.ngrams.of_grams": ([5, 99], lambda a: COUNTS.of_grams(1, a)),
    "rnn.ngrams.of_contexts": ([0, 5, 99], lambda a: COUNTS.of_contexts(2, a)),
    "rnn.ngrams.log_probabilities": ([5, 99, 98, 5, 0], lambda a: MODEL.log_probabilities([a])),
    "rnn.ngrams.distribution": ([98, 5, 99], lambda a: MODEL.distribution(a)),
    "rnn.ngrams.add_k": ([99, 98, 0], lambda a: ngrams.add_k(COUNTS, [a], [0.1, 1]).k),
    "rnn.ngrams.interpolate": ([5, 99, 98, 0], lambda a: ngrams.interpolate(COUNTS, [a], 3).lambdas),
    "rnn.measures.perplexity": ([5, 99, 98, 0], lambda a: measures.perplexity(MODEL, [a])),
    "rnn.measures.sample": ([5, 99], lambda a: measures.sample(MODEL, rng(), barred=a, most=5)),
    "gates.reber.legal_successors": ([[0, 0], [1, 2]], lambda a: reber.REBER.legal_successors(a)),
    "gates.reber.as_string": ([0, 1, 6], lambda a: reber.as_string(a)),
    "gates.agreement.whole": (VERBS, lambda a: agreement.whole(SENTENCES, a)),
    "gates.agreement.whole, x": (SENTENCES, lambda a: agreement.whole(a, VERBS)),
    "gates.agreement.accuracy": (VERBS, lambda a: agreement.accuracy(WORDS, SENTENCES, a)),
    "applications.crf.score": ([[5, 99], [98, 0]], lambda a: crf.score(CHAIN, SCORES, a)),
    "applications.crf.chain_loss": ([[5, 99], [98, 0]], lambda a: crf.chain_loss(CHAIN, SCORES, a)),
    "applications.network.answer": (READ, lambda a: network.answer(READER, READER_WEIGHTS, a, [2, 1])),
    "applications.network.loss_and_gradients": (
        READ,
        lambda a: network.loss_and_gradients(READER, READER_WEIGHTS, a, [2, 1], np.array([[5, 99], [98, 0]])),
    ),
    "applications.network.loss_and_gradients, targets": (
        [[5, 99], [98, 0]],
        lambda a: network.loss_and_gradients(READER, READER_WEIGHTS, np.array(READ), [2, 1], a),
    ),
    "applications.fitting.answers": (
        [[5, 99], [98, 1]],
        lambda a: fitting.answers(READER, READER_WEIGHTS, [a]),
    ),
    "applications.fitting.batch": (
        [5, 99, 98],
        lambda a: network.loss_and_gradients(
            READER, READER_WEIGHTS, *fitting.batch([fitting.Example(np.ones((3, 2), int), a)])
        ),
    ),
    "applications.translator.encode": (
        PARALLEL[0],
        lambda a: [translator.encode(BOTH, BOTH_WEIGHTS, a, [1, 2]).e, *encoded(a).values()],
    ),
    "applications.translator.encode, lengths": (
        [1, 2],
        lambda a: [translator.encode(BOTH, BOTH_WEIGHTS, PARALLEL[0], a).e],
    ),
    "applications.translator.loss_of_batch": (PARALLEL[0], lambda a: batch_loss(a, PARALLEL[1])),
    "applications.translator.loss_of_batch, targets": (PARALLEL[1], lambda a: batch_loss(PARALLEL[0], a)),
    "applications.translator.loss_of_batch, lengths": (
        [1, 2],
        lambda a: translator.loss_of_batch(BOTH, BOTH_WEIGHTS, PARALLEL[0], a, PARALLEL[1], a),
    ),
    "applications.translator.first_state": (
        [5, 99, 0],
        lambda a: translator.first_state(BOTH, BOTH_WEIGHTS, [a]),
    ),
    "applications.translator.translate": ([5, 99, 0], lambda a: translator.translate(BOTH, BOTH_WEIGHTS, [a], 5)),
    "applications.translator.fit": (
        [5, 99, 0],
        lambda a: next(translator.fit(BOTH, [(a, a)], fitting.Descent(1, 0.1), rng())),
    ),
    "applications.bleu.bleu": ([5, 99, 5, 98, 97], lambda a: bleu.bleu([a], [[5, 99, 5, 98, 96]])),
    "applications.bleu.exact_match": ([5, 99], lambda a: bleu.exact_match([a, a], [[5, 99], [5]])),
    "applications.parallel.spelt": ([1, 3, 2, 0], lambda a: parallel.Bilingual(NAMES, NAMES).spelt([a])),
    "bptt.long_lags.accuracy": ([[5, 99]], lambda a: long_lags.accuracy(LOGITS, a)),
    "bptt.equations.bp1": ([[5, 99]], lambda a: equations.bp1(LOGITS, a)),
    "bptt.rtrl.rtrl": ([[1], [0], [1]], lambda a: online(targets=a)),
    "bptt.rtrl.learn_online": ([[1]], lambda a: rtrl.learn_online(SMALL, SMALL_WEIGHTS, np.ones((1, 1, 2)), a, 0.1)),
    "bptt.truncation.truncated_gradients": (
        [[5], [99], [98]],
        lambda a: truncation.truncated_gradients(CELL, WEIGHTS, a, np.array([[99], [98], [0]]), 1, 2),
    ),
    "bptt.truncation.truncated_gradients, targets": (
        [[5], [99], [98]],
        lambda a: truncation.truncated_gradients(CELL, WEIGHTS, np.array([[99], [98], [0]]), a, 1, 2),
    ),
    "bptt.truncation.truncated_training": (
        [[5], [99], [98]],
        lambda a: list(truncation.truncated_training(CELL, WEIGHTS, a, np.zeros((3, 1), int), 2, 2, SGD(1))),
    ),
}  # fmt: skip

SQUARE = [[1, 2], [3, 4]]
VALUES = {
    "core.functions.softmax": ([[1, 100]], lambda a: functions.softmax(a)),
    "core.functions.log_softmax": ([[1, 100]], lambda a: functions.log_softmax(a)),
    "core.functions.cross_entropy": (SQUARE, lambda a: functions.cross_entropy(a, np.array([0, 1]))),
    "core.functions.squared_error": (SQUARE, lambda a: functions.squared_error(a, np.zeros((2, 2)))),
    "rnn.measures.perplexity_of": ([1, 0, 1], lambda a: measures.perplexity_of(a)),
    "rnn.measures.entropy": ([0, 1], lambda a: measures.entropy(a)),
    "rnn.measures.sharpen": ([0, 1], lambda a: measures.sharpen(a, 0.5)),
    "rnn.ngrams.Interpolated": ([1, 0, 1, 0], lambda a: ngrams.Interpolated(COUNTS, a).distribution([5])),
    "gates.reber.legal_first": (SQUARE, lambda a: reber.legal_first(a, np.array(SQUARE) > 1)),
    "gates.reber.clock_loss": ([[0, 1], [0, 0]], lambda a: reber.clock_loss(a)),
    "gates.weights_by_hand.latch_input": ([1, 1], lambda a: weights_by_hand.latch_input(a, np.zeros((3, 2)))),
    "gates.weights_by_hand.latch_input, distractors": (
        [[1, 0], [0, 1]],
        lambda a: weights_by_hand.latch_input([-1, 1], a),
    ),
    "gates.convert.to_torch": ([1, 100], lambda a: convert.to_torch(Elman(1, 2), elman_weights(a))),
    "gates.convert.to_keras": ([1, 100], lambda a: convert.to_keras(Elman(1, 2), elman_weights(a))),
    "gates.convert.from_torch": (np.arange(8), lambda a: convert.from_torch(LSTM(2, 2), STATE | {"bias_ih_l0": a})),
    "gates.convert.from_keras": (np.arange(8), lambda a: convert.from_keras(LSTM(2, 2), KERAS | {"bias": a})),
    "gates.convert.other_update_gate": ([1, 100], lambda a: convert.other_update_gate(gate("z", a))),
    "gates.convert.uncoupled": ([1, 100], lambda a: convert.uncoupled(gate("f", a))),
    "applications.crf.log_partition": ([SQUARE, SQUARE], lambda a: crf.log_partition(TWO_CHAIN, a)),
    "applications.crf.best_labels": ([SQUARE, SQUARE], lambda a: crf.best_labels(TWO_CHAIN, a)),
    "applications.crf.best_labels, W_yy": (
        [[100, 0], [0, 100]],
        lambda a: crf.best_labels(TWO_CHAIN | {"W_yy": a}, np.ones((4, 1, 2))),
    ),
    "applications.crf.chain_loss": ([SQUARE, SQUARE], lambda a: crf.chain_loss(TWO_CHAIN, a, [[0, 1], [1, 1]])),
    "applications.crf.chain_loss, b_end": (
        [1, 100],
        lambda a: crf.chain_loss(TWO_CHAIN | {"b_end": a}, np.ones((2, 1, 2)), [[0], [1]]),
    ),
    **{
        f"applications.pooling.{name}": ([SQUARE, SQUARE], lambda a, name=name: pool(name)(a, [2, 1]))
        for name in POOLED
    },
    **{
        f"applications.pooling.{name}, pull": (
            [[[100, 100], [1, 2]], [[100, 100], [3, 4]]],
            lambda a, name=name: pool(name).pull(a, [2, 1], np.full((2, 2), 100, np.int8)),
        )
        for name in POOLED
    },
    **{
        f"applications.pooling.{name}, dz": (
            SQUARE,
            lambda a, name=name: pool(name).pull(np.ones((2, 2, 2)), [2, 1], a),
        )
        for name in POOLED
    },
    "applications.pooling.largest": ([SQUARE, SQUARE], lambda a: pooling.largest(a, [2, 1])),
    "applications.translator.encode, W_eh": (
        [[1, 2, 3, 4], [5, 6, 7, 8]],
        lambda a: translator.encode(BOTH, BOTH_WEIGHTS | {"W_eh": a}, PARALLEL[0], [1, 2]).state,
    ),
    "applications.network.answer, E_word": (
        np.arange(100).reshape(50, 2),
        lambda a: network.answer(
            FEW_WORDS, initial_weights(FEW_WORDS.shapes(), rng(), 0.5) | {"E_word": a}, [[[0]], [[49]]], [2]
        ),
    ),
    "bptt.long_lags.correct": (SQUARE, lambda a: long_lags.AddingProblem1997(20).correct(a, np.ones((2, 2)))),
    "bptt.long_lags.correct, targets": (SQUARE, lambda a: long_lags.AddingProblem1997(20).correct(np.ones((2, 2)), a)),
    "bptt.long_lags.accuracy": ([SQUARE], lambda a: long_lags.accuracy(a, np.array([[0, 1]]))),
    "bptt.initialisation.with_spectral_radius": (SQUARE, lambda a: initialisation.with_spectral_radius(a, 0.5)),
    "bptt.initialisation.with_forget_bias": ([1, 2], lambda a: initialisation.with_forget_bias({"b_f": a}, 2.5)),
    "bptt.initialisation.chrono": ([1, 2], lambda a: initialisation.chrono({"b_f": a}, 9, rng())),
    "bptt.multiplications": (SQUARE, lambda a: count_multiplications(lambda x: x @ x, a)),
    "bptt.equations.bp2": (SQUARE, lambda a: equations.bp2(SMALL_WEIGHTS, a, np.ones((2, 2)))),
    "bptt.equations.bp2t": (SQUARE, lambda a: equations.bp2t(SMALL_WEIGHTS, a, np.ones((2, 2)), np.ones((2, 2)))),
    "bptt.equations.bp2t, weights": (
        [[100, 100], [100, 100]],
        lambda a: equations.bp2t({"W_hh": a, "W_hy": a}, *3 * [np.full((2, 2), 100, np.int8)]),
    ),
    "bptt.equations.bp3": ([[[100]], [[100]]], lambda a: equations.bp3(a)),
    "bptt.equations.bp4v": ([[[100]]], lambda a: equations.bp4v(a, np.full((2, 1, 1), 100, np.int8))),
    "bptt.equations.bp4w": ([[[0]], [[100]]], lambda a: equations.bp4w(a, np.full((2, 1, 1), 100, np.int8))),
    "bptt.equations.bp4u": ([[[0]], [[100]]], lambda a: equations.bp4u(a, np.full((1, 1, 1), 100, np.int8))),
    "bptt.equations.delta_recursion": (
        [[[0, 0]], [[1, 0]], [[0, 1]]],
        lambda a: equations.delta_recursion(SMALL_WEIGHTS, a, np.ones((2, 1, 2))),
    ),
    "bptt.equations.gradients": (
        [[[0, 0]], [[1, 0]], [[0, 1]]],
        lambda a: equations.gradients(SMALL_WEIGHTS, a, np.ones((2, 1, 2)), np.array([[0], [1]])),
    ),
    "bptt.equations.contributions": (np.arange(8).reshape(4, 1, 2), lambda a: equations.contributions(TAPE, {"h": a})),
    "bptt.rtrl.rtrl, x": (np.arange(6).reshape(3, 1, 2), lambda a: online(x=a)),
    "bptt.rtrl.rtrl, h_0": ([[1, 100]], lambda a: online(h_0=a)),
    "bptt.rtrl.rtrl, W_hh": (SQUARE, lambda a: online(W_hh=a)),
    "bptt.rtrl.rtrl, W_hy": (SQUARE, lambda a: online(W_hy=a)),
    "bptt.rtrl.start": ([[1, 100]], lambda a: rtrl.start(SMALL, a)),
    "bptt.rtrl.advance": ([[1, 100]], lambda a: rtrl.advance(SMALL, SMALL_WEIGHTS, rtrl.start(SMALL, [[1, 2]]), a)),
    "bptt.rtrl.gradients": ([[1, 100]], lambda a: rtrl.gradients(rtrl.start(SMALL, [[1, 2]]), a)),
    "bptt.dynamics.jacobian_products": ([[SQUARE], [SQUARE]], lambda a: dynamics.jacobian_products(a)),
    "bptt.dynamics.log_singular_values": ([[SQUARE], [SQUARE]], lambda a: dynamics.log_singular_values(a)),
    "bptt.dynamics.log_gradient_norms": ([[SQUARE]], lambda a: dynamics.log_gradient_norms(a, [[1.0, 2.0]])),
    "bptt.dynamics.log_gradient_norms, d": ([[1, 100]], lambda a: dynamics.log_gradient_norms([[SQUARE]], a)),
    "bptt.dynamics.spectral_radius": (SQUARE, lambda a: dynamics.spectral_radius(a)),
    "bptt.dynamics.largest_singular_value": (SQUARE, lambda a: dynamics.largest_singular_value(a)),
    "bptt.dynamics.modes": (SQUARE, lambda a: dynamics.modes(a).power(3)),
    "bptt.dynamics.linear_states": (SQUARE, lambda a: dynamics.linear_states(a, a, np.ones((3, 1, 2)), [[1.0, 2.0]])),
    "bptt.dynamics.linear_state_gradients": (SQUARE, lambda a: dynamics.linear_state_gradients(a, np.ones((3, 1, 2)))),
    "bptt.dynamics.vanishing_factor": (SQUARE, lambda a: dynamics.vanishing_factor(a, functions.TANH)),
}  # fmt: skip

NUMBERS = {
    "rnn.measures.sharpen": lambda v: measures.sharpen([0.2, 0.8], v),
    "rnn.measures.sample": lambda v: measures.sample(MODEL, rng(), v, most=5),
    "rnn.ngrams.AddK": lambda v: ngrams.AddK(COUNTS, v).distribution([5]),
    "rnn.ngrams.add_k": lambda v: ngrams.add_k(COUNTS, [np.array([5, 0])], [v]).distribution([5]),
    "applications.fitting.Descent": lambda v: fitting.Descent(1, v, clip=v),
    "applications.fitting.Settings": lambda v: fitting.Settings(1, v, clip=v),
    "bptt.initialisation.identity": lambda v: initialisation.identity(2, v),
    "bptt.initialisation.with_spectral_radius": lambda v: initialisation.with_spectral_radius(np.eye(2), v),
    "bptt.initialisation.with_forget_bias": lambda v: initialisation.with_forget_bias({"b_f": np.zeros(2)}, v),
    "bptt.initialisation.chrono": lambda v: initialisation.chrono({"b_f": np.zeros(2)}, v, rng()),
    "bptt.rtrl.learn_online": lambda v: rtrl.learn_online(
        SMALL, SMALL_WEIGHTS, np.ones((2, 1, 2)), [[0], [1]], v, h_0=None
    ),
}

SIZES = {
    "core.functions.one_hot": lambda n: functions.one_hot(np.array([5, 99]), n),
    "rnn.vocabulary.most_frequent": lambda n: vocabulary.most_frequent([map(str, range(300))], n),
    "rnn.vocabulary.word_vocabulary": lambda n: vocabulary.word_vocabulary([map(str, range(300))], n),
    "rnn.ngrams.count, V": lambda n: ngrams.count([np.array([5, 99, 0])], 3, n),
    "rnn.ngrams.continuations": lambda n: COUNTS.continuations(2, n),
    "rnn.ngrams.interpolate": lambda n: ngrams.interpolate(COUNTS, [np.array([5, 0])], n),
    "rnn.measures.sample": lambda n: measures.sample(MODEL, rng(), most=n),
    "rnn.measures.bits_per_character": lambda n: measures.bits_per_character(MODEL, [np.array([5, 0])], n),
    "gates.reber.finishing": lambda n: reber.EMBEDDED_REBER.finishing(n),
    "gates.reber.generate_of_length": lambda n: reber.REBER.generate_of_length(rng(), n, 2),
    "gates.reber.batch": lambda n: reber.EmbeddedReber().batch(rng(), n),
    "gates.anbn.sequence": lambda n: anbn.sequence(n),
    "gates.anbn.legal_successors": lambda n: anbn.legal_successors(n),
    "gates.anbn.Counting": lambda n: (anbn.Counting(n, n).baseline, anbn.Counting(n, n).batch(rng(), 2)),
    "gates.anbn.solved": lambda n: anbn.solved(*weights_by_hand.counter(), n),
    "gates.anbn.solved_each": lambda n: anbn.solved_each(*weights_by_hand.counter(), n),
    "gates.anbn.generalises_to": lambda n: anbn.generalises_to(*weights_by_hand.counter(), n),
    "gates.agreement.Agreement": lambda n: agreement.Agreement(n, n, 2).batch(rng(), 2),
    "gates.agreement.Agreement, sentences": lambda n: agreement.Agreement(1, 2, n).batch(rng(), 2),
    "gates.agreement.questions": lambda n: agreement.Agreement(1, 2).questions(rng(), n, 2),
    "gates.agreement.questions, pairs": lambda n: agreement.Agreement(1, 2).questions(rng(), 3, n),
    "gates.agreement.beginnings": lambda n: agreement.beginnings(rng(), n, 2),
    "gates.agreement.patterns": lambda n: agreement.patterns(n),
    "gates.agreement.word_counts": lambda n: agreement.word_counts(n),
    "gates.agreement.majority_accuracy": lambda n: agreement.majority_accuracy(n),
    "gates.weights_by_hand.counter_error_bound": lambda n: weights_by_hand.counter_error_bound(n),
    "gates.convert.to_torch": lambda n: convert.to_torch(LSTM(2, 2), GATED, layer=n),
    "applications.words.numbering": lambda n: words.numbering([["a"] * 150, ["b"] * 300], least=n).sizes,
    "applications.bleu.bleu": lambda n: bleu.bleu([[1] * 300], [[1] * 300], n),
    "applications.translator.translate": lambda n: translator.translate(
        BOTH, BOTH_WEIGHTS | {"decoder.b_y": np.arange(100.0)}, [[k % 90, 0] for k in range(300)], n, n
    ),
    "applications.parallel.number_words": lambda n: parallel.number_words(n),
    "applications.parallel.dates": lambda n: parallel.dates(n, rng(), ["en", "de"]),
    "applications.parallel.bilingual": lambda n: parallel.bilingual(
        [parallel.Translated(("a",) * 150 + ("b",) * 300, ("c",))], n
    ),
    "applications.fitting.Descent": lambda n: fitting.Descent(n, 0.1, n),
    "applications.fitting.Settings": lambda n: fitting.Settings(n, 0.1, n),
    "applications.fitting.answers": lambda n: fitting.answers(
        READER, READER_WEIGHTS, [np.array([[k % 90, 1]]) for k in range(300)], n
    ),
    "bptt.long_lags.AddingProblem": lambda n: long_lags.AddingProblem(n).batch(rng(), 2),
    "bptt.long_lags.AddingProblem1997": lambda n: long_lags.AddingProblem1997(n).batch(rng(), 2),
    "bptt.long_lags.CopyMemory": lambda n: (long_lags.CopyMemory(n).batch(rng(), 2), long_lags.CopyMemory(n).baseline),
    "bptt.long_lags.TemporalOrder": lambda n: long_lags.TemporalOrder().batch(rng(), n),
    "bptt.initialisation.identity": lambda n: initialisation.identity(n),
    "bptt.initialisation.orthogonal": lambda n: initialisation.orthogonal(n, rng()),
    "bptt.truncation.windows": lambda n: truncation.windows(n, n, n),
    "bptt.truncation.Window": lambda n: truncation.Window(n, n, n).answering,
    "bptt.dynamics.power": lambda n: dynamics.modes(np.diag([0.5, 0.9])).power(n),
}  # fmt: skip


def pool(name):
    return getattr(pooling, name.upper())


def encoded(sources):
    return translator.encode(BOTH, BOTH_WEIGHTS, sources, [1, 2]).state


def batch_loss(sources, targets):
    return translator.loss_of_batch(BOTH, BOTH_WEIGHTS, sources, [1, 2], targets, [2, 1])


def elman_weights(b_h):
    return {"W_xh": np.ones((2, 1)), "W_hh": np.eye(2), "b_h": b_h}


def gate(k, bias):
    return {f"W_x{k}": np.ones((2, 3)), f"W_h{k}": np.eye(2), f"b_{k}": bias}


def leaves(result):
    """All numbers, arrays and texts of a result, in order."""
    if is_dataclass(result):
        result = asdict(result)
    if isinstance(result, dict):
        result = [part for item in result.items() for part in item]
    if isinstance(result, list | tuple):
        return [leaf for part in result for leaf in leaves(part)]
    return [result]


def require_same(ours, expected, tolerance=0.0):
    ours, expected = leaves(ours), leaves(expected)
    assert len(ours) == len(expected)
    for one, other in zip(ours, expected, strict=True):
        assert np.shape(one) == np.shape(other)
        if tolerance and np.asarray(one).dtype.kind in "fc":
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(one, other)
            assert np.asarray(one).dtype == np.asarray(other).dtype  # nothing later wraps around either


ONE_DTYPE = (
    "gates.convert.to_torch",
    "gates.convert.to_keras",
    "applications.network.answer, E_word",
)  # among float64, one float32 is refused
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i2", ">u4", ">i8")


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", TOKENS)
def test_token_numbers_of_every_width_are_int64(name, dtype):
    tokens, call = TOKENS[name]
    require_same(call(np.array(tokens, dtype)), call(np.array(tokens, np.int64)))


@pytest.mark.parametrize("dtype", [*INTEGERS, ">f8", "list"])
@pytest.mark.parametrize("name", VALUES)
def test_values_of_every_kind_are_float64(name, dtype):
    values, call = VALUES[name]
    require_same(
        call(np.array(values).tolist() if dtype == "list" else np.array(values, dtype)), call(np.array(values, float))
    )


@pytest.mark.parametrize("dtype", ["float32", ">f4"])
@pytest.mark.parametrize("name", [name for name in VALUES if name not in ONE_DTYPE])
def test_float32_gives_the_same_but_for_rounding(name, dtype):
    values, call = VALUES[name]
    require_same(call(np.array(values, dtype)), call(np.array(values, float)), tolerance=1e-4)


@pytest.mark.parametrize("kind", [int, *map(np.dtype, INTEGERS[:8]), *map(np.dtype, ("f2", "f4", "f8", "g"))], ids=str)
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_of_every_kind_is_a_float(name, kind):
    value = kind(100) if kind is int else kind.type(100)
    require_same(NUMBERS[name](value), NUMBERS[name](100.0))


@pytest.mark.parametrize("dtype", INTEGERS[:8])
@pytest.mark.parametrize("name", SIZES)
def test_a_size_of_every_width_is_an_int(name, dtype):
    size = 100 if dtype == "int8" else 200  # twice as much would wrap around
    require_same(SIZES[name](np.dtype(dtype).type(size)), SIZES[name](size))


# --- refusals --------------------------------------------------------------------------------------------------------


def with_first(array, value):
    array = np.array(array, float)
    array.flat[0] = value
    return array


NO_ARRAYS = {
    "masked": lambda a: np.ma.array(a, mask=False),
    "complex": lambda a: np.array(a, complex),
    "texts": lambda a: np.array(a).astype(str),
    "iterator": lambda a: iter(np.array(a).tolist()),
    "mapping": lambda a: {0: a},
    "text": lambda a: "12",
    "bytes": lambda a: b"12",
    "nothing": lambda a: None,
    "ragged": lambda a: [[1], [1, 2]],
    "empty": lambda a: np.zeros((0, *np.shape(a)[1:])),
    "dates": lambda a: np.array(a).astype("m8[s]"),
}
NO_TOKENS = NO_ARRAYS | {
    "floats": lambda a: np.array(a, float),
    "booleans": lambda a: np.array(a, bool),
    "nan": lambda a: with_first(a, np.nan),
    "negative": lambda a: with_first(a, -1).astype(int),
    "too large": lambda a: with_first(a, 10**6).astype(int),
    "too large for int64": lambda a: np.full(np.shape(a), 2**64 - 1, np.uint64),
}
NO_VALUES = (
    NO_ARRAYS
    | {
        "float16": lambda a: np.array(a, np.float16),
        "bfloat16": lambda a: pytest.importorskip("torch").tensor(np.array(a, float)).bfloat16(),
        "nan": lambda a: with_first(a, np.nan),
        "inf": lambda a: with_first(a, np.inf),
    }
    | ({"longdouble": lambda a: np.array(a, np.longdouble)} if np.dtype(np.longdouble).itemsize > 8 else {})
)
NO_NUMBERS = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "text": "2", "nothing": None, "boolean": True}
NO_NUMBERS |= {"list": [2.0], "complex": 2j, "NumPy's boolean": np.True_}
NO_SIZES = {"negative": -1, "boolean": True, "float": 100.0, "text": "100", "nothing": None, "nan": np.nan}
NO_SIZES |= {"array": np.array(100), "list": [100], "NumPy's boolean": np.True_}

ALLOWED = {  # (function, form) that is no mistake there
    *((name, form) for name in ("rnn.ngrams.of_grams", "rnn.ngrams.of_contexts") for form in NO_TOKENS
      if form in ("negative", "too large", "too large for int64", "empty")),  # keys of what never occurs: 0
    *((f"applications.bleu.{name}", form) for name in ("bleu", "exact_match") for form in NO_TOKENS
      if form in ("negative", "too large", "too large for int64", "empty", "dates")),  # whatever can be compared
    *((name, "empty") for name in ("rnn.vocabulary.decode", "rnn.ngrams.distribution", "rnn.measures.sample",
                                   "core.functions.one_hot", "applications.parallel.spelt")),
    *((f"core.functions.{name}", form) for name in ("softmax", "log_softmax") for form in ("inf", "nan", "empty")),
    *(("bptt.multiplications", form) for form in ("inf", "nan", "empty", "mapping")),  # only their number counts
    ("bptt.rtrl.rtrl, h_0", "nothing"),  # zeros
}  # fmt: skip


def refused(table, forms):
    return [pytest.param(*table[n], forms[f], id=f"{n}: {f}") for n in table for f in forms if (n, f) not in ALLOWED]


@pytest.mark.parametrize(("tokens", "call", "form"), refused(TOKENS, NO_TOKENS))
def test_what_holds_no_token_numbers_is_refused(tokens, call, form):
    with pytest.raises(ValueError, match=REFUSAL):
        call(form(tokens))


@pytest.mark.parametrize(("values", "call", "form"), refused(VALUES, NO_VALUES))
def test_what_holds_no_numbers_is_refused(values, call, form):
    with pytest.raises(ValueError, match=REFUSAL):
        call(form(values))


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("form", NO_NUMBERS)
def test_what_is_no_number_is_refused(name, form):
    with pytest.raises(ValueError, match=REFUSAL):
        NUMBERS[name](NO_NUMBERS[form])


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("form", NO_SIZES)
def test_what_is_no_size_is_refused(name, form):
    with pytest.raises(ValueError, match=REFUSAL):
        SIZES[name](NO_SIZES[form])
