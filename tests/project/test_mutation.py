"""Mutants: the operators find what they should and nothing else, and a mutant is the text with one change."""

import textwrap

import pytest
from mutation import fields_of, mutants_of
from mutation_operators import LEARNERS, OPERATORS


def made(source, operators=LEARNERS):
    return mutants_of("m", textwrap.dedent(source), operators)


def changes(source, operator):
    return [mutant.change for mutant in made(source) if mutant.operator == operator]


@pytest.mark.parametrize(
    ("line", "operator", "expected"),
    [
        ("return a + b", "sign", ["a + b → a - b"]),
        ("return a - b", "sign", ["a - b → a + b"]),
        ("return f(-a)", "sign", ["f(-a) → f(a)"]),
        ("a += b", "sign", ["a += b → a -= b"]),
        ("return a + b", "dropped term", ["a + b → a", "a + b → b"]),
        ("return a - b", "dropped term", ["a - b → a", "a - b → -b"]),
        ("return a * b", "dropped term", ["a * b → a", "a * b → b"]),
        ("return a / b", "dropped term", ["a / b → a"]),
        ("return a ** b", "dropped term", ["a ** b → a"]),
        ("a += b", "dropped term", ["a += b → a = b", "a += b → pass"]),
        ("return a.T", "transpose", ["a.T → a"]),
        ("return a @ b.T", "transpose", ["a @ b.T → a.T @ b.T", "b.T → b"]),
        ("return a.swapaxes(0, 1)", "transpose", ["a.swapaxes(0, 1) → a"]),
        ("return np.outer(a, b)", "transpose", ["np.outer(a, b) → np.outer(b, a)"]),
        (
            "return np.einsum('ij,j->i', a, b)",
            "transpose",
            ["np.einsum('ij,j->i', a, b) → np.einsum('ji,j->i', a, b)"],
        ),
        ("return a[0]", "index", ["a[0] → a[-1]", "a[0] → a[1]"]),
        ("return a[1:]", "index", ["a[1:] → a[:-1]"]),
        ("return a[:-1]", "index", ["a[:-1] → a[1:]"]),
        ("return a[b:]", "index", ["a[b:] → a[b - 1:]", "a[b:] → a[b + 1:]"]),
        ("return a[b]", "index", []),  # nothing says that b is a whole number
        ("return a['h']", "index", []),
        (
            "return [a[t - 1] for t in range(b)]",
            "index",
            ["a[t - 1] → a[t - 2]", "a[t - 1] → a[t]", "range(b) → range(b - 1)", "range(b) → range(b + 1)"],
        ),
        ("return reversed(a)", "index", ["reversed(a) → a"]),
        ("return a + b", "swapped name", ["a + b → b + b", "a + b → a + a"]),
        ("return a.shape", "swapped name", []),  # b need not have a shape
        (
            "return a['x'] + a['h']",
            "swapped name",
            ["a['x'] → a['h']", "a['x'] → b['x']", "a['h'] → a['x']", "a['h'] → b['h']"],
        ),
        ("return {'h': 1, 'y': 2}", "swapped name", ["{'h': 1, 'y': 2} → {'y': 1, 'h': 2}"]),
        ("return a['W_xh'] + a['b_h']", "swapped name", ["a['W_xh'] → b['W_xh']", "a['b_h'] → b['b_h']"]),
        ("return a.sum(axis=0)", "axis", ["a.sum(axis=0) → a.sum()", "a.sum(axis=0) → a.sum(axis=1)"]),
        (
            "return a.sum(axis=(0, 1), keepdims=True)",
            "axis",
            [
                f"a.sum(axis=(0, 1), keepdims=True) → a.sum({rest})"
                for rest in ("keepdims=True", "axis=0, keepdims=True", "axis=1, keepdims=True", "axis=(0, 1)")
            ],
        ),
        ("return a.max(axis=-1)", "axis", [f"a.max(axis=-1) → a.max({rest})" for rest in ("", "axis=0", "axis=1")]),
        ("return f(dtype=int)", "axis", []),
        ("return a < b", "comparison", ["a < b → a <= b", "a < b → True", "a < b → False"]),
        ("return not a", "comparison", ["return not a → return a"]),
        ("return np.tanh(a)", "function", ["np.tanh(a) → np.arctan(a)", "np.tanh(a) → a"]),
        ("return a.mean()", "function", ["a.mean() → a.sum()", "a.mean() → a"]),
        ("return min(a, b)", "function", ["min(a, b) → max(a, b)"]),
        ("return np.zeros((a, b))", "function", ["np.zeros((a, b)) → np.ones((a, b))", "np.zeros((a, b)) → (a, b)"]),
        ("return a**2", "constant", ["a ** 2 → a ** 1", "a ** 2 → a ** 3"]),
        ("return 0.5 * a", "constant", ["0.5 * a → 1.5 * a", "0.5 * a → 1.0 * a"]),
        ("return f(True)", "constant", []),
        ("return 'ifo'", "constant", ["return 'ifo' → return 'fio'", "return 'ifo' → return 'iof'"]),
        ("return a, b", "order", ["(a, b) → (b, a)"]),
        ("a, b = f(1)", "order", ["(a, b) → (b, a)"]),
        ("return a[:, None]", "order", ["(:, None) → (None, :)"]),
        ("return a[::-1]", "order", ["a[::-1] → a"]),
        ("return a.sum(axis=(0, 1))", "order", []),  # the order of axes that are summed changes nothing
        ("return a @ b", "operands", ["a @ b → b @ a", "a @ b → a * b"]),
        ("return a + b", "operands", ["a + b → a * b"]),  # b + a is the same
        (
            "return np.einsum('tbi,tbj->ij', a, b)",
            "summed",
            [f"np.einsum('tbi,tbj->ij', a, b) → np.einsum('tbi,tbj->{out}', a, b)" for out in ("tij", "bij", "j", "i")],
        ),
        ("a = b", "lost line", ["a = b → pass"]),
        ("return a", "lost line", ["return a → a"]),
        ("a = a + b", "in place", ["a = a + b → a += b"]),
        ("a = b + a", "in place", []),
        ("a = b.copy()", "in place", ["a = b.copy() → a = b"]),
    ],
)
def test_an_operator_finds_each_place_where_it_applies(line, operator, expected):
    assert changes(f"def f(a, b):\n    {line}\n", operator) == expected


def test_only_names_of_one_kind_are_swapped():
    source = """
        def f(x: Array, w: Arrays, y: Array, n: int):
            m = {}
            for k, v in w.items():
                m[k] = x @ v
            return m, n
    """
    assert changes(source, "swapped name") == ["m[k] → w[k]", "x @ v → y @ v", "x @ v → x @ y", "(m, n) → (w, n)"]


def test_keys_of_the_class_are_taken_after_those_of_the_method():
    source = """
        class C:
            def f(self, a):
                return a['x']

            def g(self, a):
                return a['h'], a['c']
    """
    found = ["a['x'] → a['h']", "a['h'] → a['c']", "a['c'] → a['h']"]
    assert changes(source, "swapped name") == found


def test_fields_of_one_class_with_one_annotation_are_swapped():
    source = """
        class Adam:
            rate: float
            beta: float
            m: Arrays

            def step(self):
                return self.rate, self.beta, self.m
    """
    assert fields_of([textwrap.dedent(source)]) == {
        "rate": ("rate", "beta"),
        "beta": ("rate", "beta"),
        "m": ("m",),
        "step": (),
    }
    assert changes(source, "swapped name") == ["self.rate → self.beta", "self.beta → self.rate"]


def test_validation_and_messages_are_left_alone():
    source = '''
        def f(a: Union[-1], b=None):
            """a + b"""
            if a + b > 0:
                raise ValueError(f"{a - 1}")
            assert a - b
            a = require_array("a", a + b, (-1, 2))
            a = _checked_input(a - b)

        def require_small(a, b):
            return a + b

        class C:
            def __str__(self):
                return self.a + self.b
    '''
    assert made(source, OPERATORS) == []


def test_an_else_beside_a_refusal_is_not_left_alone():
    source = "def f(a, b):\n    if a > b:\n        raise ValueError\n    else:\n        return a + b\n"
    assert "a + b → a - b" in changes(source, "sign")


def test_a_mutant_is_the_module_with_one_change_and_the_tree_is_as_before():
    source = "def f(a, b):\n    x = a + b\n    return x * b\n"
    mutants = made(source)
    by_change = {mutant.change: mutant.source() for mutant in mutants}
    assert by_change["a + b → a - b"] == "def f(a, b):\n    x = a - b\n    return x * b"
    assert by_change["x * b → b"] == "def f(a, b):\n    x = a + b\n    return b"
    assert len({mutant.source() for mutant in mutants}) == len(mutants)  # each once


def test_an_id_survives_when_lines_move_and_tells_equal_changes_apart():
    source = "def f(t):\n    return t + 1, t + 1\n\n\nclass C:\n    def g(self, t):\n        x = t + 1\n\n\nK = 1 + 1"
    ids = [mutant.id for mutant in made(source) if mutant.operator == "sign"]
    assert ids == [
        "m.f | sign | t + 1 → t - 1 | 1",
        "m.f | sign | t + 1 → t - 1 | 2",
        "m.C.g | sign | t + 1 → t - 1 | 1",
        "m.K | sign | 1 + 1 → 1 - 1 | 1",
    ]
    moved = made('"""Text."""\n\nimport os  # comment\n\n' + source)
    assert [mutant.id for mutant in moved if mutant.operator == "sign"] == ids
