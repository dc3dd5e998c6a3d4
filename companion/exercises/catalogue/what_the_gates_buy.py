"""Biases for a known lag, and what the best answer without memory costs."""

from __future__ import annotations

import numpy as np

from companion.exercises.model import Case, Drawn, Key, exercise

COUNTS = {3: "three", 2: "two", 4: "four"}
SPREADS = {  # of the lags u, for r uniform in [0, 1): as prose has it, and as code
    "lags": ("$u$ itself is spread evenly over $[1, T - 1]$", "1 + (longest - 2) * r"),
    "logarithms": (
        r"$\ln u$ is spread evenly over $[0, \ln (T - 1)]$, so that short lags get as many units as long ones",
        "(longest - 1) ** r",
    ),
}


@exercise(
    "order-baseline",
    "baseline",
    "What knowing nothing costs",
    "predict",
    p=Drawn(0.7, lambda rng: round(float(rng.choice([0.6, 0.62, 0.64, 0.66, 0.75, 0.76, 0.88])), 2)),
    count=tuple(COUNTS),
    unit=("nats", "bits"),
)
def order_baseline(rng: np.random.Generator, p: float, count: int, unit: str) -> Key:
    return Key(
        returns=("loss", "wrong"),
        tolerance=1e-4,
        words={
            "p": f"{p:g}",
            "many": COUNTS[count],
            "classes": str(2**count),
            "example": "X" * (count - 1) + "Y",
            "log": "np.log" if unit == "nats" else "np.log2",
            "other": "bits" if unit == "nats" else "nats",
        },
    )


@exercise(
    "chrono-biases",
    "chrono_biases",
    "Biases for a longest lag",
    "implement",
    gates=("i f g o", "f i g o", "i g f o", "g i f o"),
    spread=tuple(SPREADS),
)
def chrono_biases(rng: np.random.Generator, gates: str, spread: str) -> Key:
    order = gates.split()

    def by_gates(r, longest):
        kept = 1 - 1 / (2 + (longest - 2) * r if spread == "lags" else 1 + (longest - 1) ** r)  # by the forget gate
        b = np.zeros((4, len(r)))
        b[order.index("f")], b[order.index("i")] = np.log(kept / (1 - kept)), np.log((1 - kept) / kept)
        return b.ravel()

    def case(name, H, longest):
        return Case(name, {"r": rng.uniform(0.02, 0.98, H), "longest": longest})

    return Key(
        cases=(
            Case("two units", {"r": np.array([0.25, 0.5]), "longest": 10}),
            case("H = 1", 1, 20),
            case("longest = 3", 3, 3),
            case("a long lag", 5, 1000),
            Case("both ends of r", {"r": np.array([0.0, 0.999]), "longest": 2000}),
        ),
        also_right=(by_gates,),
        axes={"result": "bias"},
        words={
            "order": ", ".join(order),
            "letters": "".join(order),
            "habit": "ifgo" if order.index("g") < 2 else "igfo",  # an order that moves more than forget and input gate
            "spread": SPREADS[spread][0],
            "even": "u" if spread == "lags" else "ln u",
            "u": SPREADS[spread][1],
        },
    )
