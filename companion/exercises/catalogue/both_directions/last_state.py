"""Where each direction ends."""

from __future__ import annotations

import numpy as np

from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise


@exercise(
    "last-state",
    chapter="both-directions",
    name="last_state",
    title="Where each direction ends",
    kind="implement",
    ask={
        "order": ("steps", "reading"),
        "padding": ("end", "start"),
        "first": ("forwards", "backwards"),
    },
)
def last_state(rng: np.random.Generator, order: str, padding: str, first: str) -> Key:
    def picked(h, rows):
        return h[rows, np.arange(h.shape[1])]

    def joined(ahead, behind, first=first):
        return np.concatenate([ahead, behind] if first == "forwards" else [behind, ahead], axis=-1)

    def ends(T, lengths, order=order, padding=padding):
        """The row in which each direction ends, for each sequence."""
        if padding == "end":
            return lengths - 1, lengths - 1 if order == "reading" else np.zeros_like(lengths)
        return np.full_like(lengths, T - 1), T - 1 if order == "reading" else T - lengths

    def starts(T, lengths):
        """The row in which each direction begins."""
        ahead = np.zeros_like(lengths) if padding == "end" else T - lengths
        return ahead, ahead if order == "reading" else ends(T, lengths, "reading")[1]

    def taken(forwards, backwards, rows, first=first, join=joined):
        rows = [np.broadcast_to(r, forwards.shape[1]) for r in rows]
        return join(picked(forwards, rows[0]), picked(backwards, rows[1]), first)

    def answer(forwards, backwards, lengths):
        return taken(forwards, backwards, ends(len(forwards), lengths))

    def by_loops(forwards, backwards, lengths):
        rows = []
        for b, n in enumerate(lengths):
            of_steps = range(n) if padding == "end" else range(len(forwards) - n, len(forwards))
            ahead = forwards[of_steps[-1], b]
            behind = backwards[of_steps[-1] if order == "reading" else of_steps[0], b]
            rows.append(np.append(ahead, behind) if first == "forwards" else np.append(behind, ahead))
        return np.array(rows)

    def by_masks(forwards, backwards, lengths):
        T = len(forwards)
        rows = np.arange(T)[:, None]
        ahead, behind = (rows == end for end in ends(T, lengths))
        return joined(
            np.where(ahead[..., None], forwards, 0).sum(axis=0), np.where(behind[..., None], backwards, 0).sum(axis=0)
        )

    def last_rows(forwards, backwards, lengths):
        return joined(forwards[-1], backwards[-1] if order == "reading" else backwards[0])

    def other_order(forwards, backwards, lengths):
        return taken(forwards, backwards, ends(len(forwards), lengths, "steps" if order == "reading" else "reading"))

    def one_off(forwards, backwards, lengths):
        return taken(forwards, backwards, (len(forwards) - 1, len(forwards) - lengths - 1))

    def every_length(forwards, backwards, lengths):
        ahead, behind = (np.broadcast_to(end, lengths.shape) for end in ends(len(forwards), lengths))
        return joined(forwards[ahead], backwards[behind])

    def with_rows(rows):
        """The states in other rows: rows(T, lengths) for each direction."""
        return lambda forwards, backwards, lengths: taken(forwards, backwards, rows(len(forwards), lengths))

    def one_beside(step):
        """The row before or after the last step's, with padding at the end."""

        def rows(T, lengths):
            beside = np.minimum(lengths - 1 + step, T - 1)
            return beside, beside if order == "reading" else 0

        return with_rows(rows)

    def with_join(join):
        """The right states, put together in another way: join(ahead, behind)."""
        return lambda forwards, backwards, lengths: taken(
            forwards,
            backwards,
            ends(len(forwards), lengths),
            join=lambda ahead, behind, first: join(*([ahead, behind] if first == "forwards" else [behind, ahead])),
        )

    def of_the_first(forwards, backwards, lengths):
        """The states of the first sequence for all."""
        ahead, behind = (np.broadcast_to(h[:, :1], h.shape) for h in (forwards, backwards))
        return taken(ahead, behind, ends(len(forwards), lengths))

    other_padding = "start" if padding == "end" else "end"

    def made_of(T, lengths, H):
        B = len(lengths)
        return {
            "forwards": normal(rng, T, B, H),
            "backwards": normal(rng, T, B, H),
            "lengths": np.array(lengths),
        }

    return Key(
        answer=answer,
        also_right=(by_loops, by_masks),
        axes={"result": "B column"},
        words={
            "padding": (
                "padded at the end: its steps stand in rows $0$ to $n - 1$"
                if padding == "end"
                else "padded at the start: its steps stand in rows $T - n$ to $T - 1$"
            ),
            "order": (
                "both are sorted by steps: `forwards[r]` and `backwards[r]` belong to the step whose input stands in "
                "row $r$"
                if order == "steps"
                else "both fill the rows of the sequence in the order of their own reading: the first of these rows "
                "holds the state after the first input that the direction has read. The backward direction has read "
                "each sequence from its last step to its first"
            ),
            "layout": (
                r"the forward state in the first $H$ entries"
                if first == "forwards"
                else r"the backward state in the first $H$ entries"
            ),
            "ahead": "lengths - 1" if padding == "end" else "np.full(len(lengths), len(forwards) - 1)",
            "behind": {
                ("end", "steps"): "np.zeros(len(lengths), dtype=int)",
                ("end", "reading"): "lengths - 1",
                ("start", "steps"): "len(forwards) - lengths",
                ("start", "reading"): "np.full(len(lengths), len(forwards) - 1)",
            }[padding, order],
            "pair": "[ahead, behind]" if first == "forwards" else "[behind, ahead]",
            "reason": (
                "Its state stands in the row of that step"
                if order == "steps"
                else "In the order of reading, the state with which a direction ended stands last, so that it is the "
                "same row as for the forward direction"
            ),
        },
        cases=(
            Case("two sequences", made_of(3, [3, 2], 1)),
            Case("T = 1", made_of(1, [1, 1], 2)),
            Case("B = 1", made_of(4, [2], 2)),
            Case("one step each", made_of(3, [1, 1, 1], 2)),
            Case("all full", made_of(3, [3, 3, 3], 3)),
            Case("many lengths", made_of(7, [4, 7, 1, 6], 3)),
        ),
        hints=(
            "Draw one sequence of 2 steps in 3 rows. Which of its inputs does each direction read last?",
            "The forward direction ends at the sequence's last step, the backward direction at its first.",
            "In which row does that step stand, with this padding? And its state, in this order?",
            "h[rows, np.arange(B)] takes from each sequence its own row.",
        ),
        misconceptions=(
            *(
                ()
                if (padding, order) == ("start", "reading")  # for which these rows are right
                else (
                    Misconception(
                        "the padding is overlooked",
                        "You take the same row for all sequences. Where a sequence is shorter, padding stands there."
                        if padding == "end"
                        else "The backward direction ends at each sequence's *first* step, which stands after its "
                        "padding.",
                        last_rows,
                    ),
                )
            ),
            Misconception(
                "the wrong end of the backward direction",
                "The forward state is right. The backward direction has read *all* where it ends, and one input only "
                "where it begins. You took the state at its beginning.",
                other_order,
            ),
            *(
                ()
                if (padding, order) == ("end", "reading")  # the same rows as with the padding overlooked
                else (
                    Misconception(
                        "padded on the other side",
                        f"Your rows would be right for sequences that are padded at the {other_padding}.",
                        lambda forwards, backwards, lengths: taken(
                            forwards, backwards, ends(len(forwards), lengths, order, other_padding)
                        ),
                    ),
                )
            ),
            *(
                (
                    Misconception(
                        "one row too early",
                        "Row numbers start at 0: the last n of T rows begin with row T − n.",
                        one_off,
                    ),
                )
                if (padding, order) == ("start", "steps")  # elsewhere no row is computed, or an error is raised
                else ()
            ),
            *(
                (
                    Misconception(
                        "one row too early",
                        "You take row n − 2. Row numbers start at 0: which is the number of the last of n rows?",
                        one_beside(-1),
                    ),
                    Misconception(
                        "one row too late",
                        "You take row n, and the last row of all where there is no row n. Row numbers start at 0: "
                        "which is the number of the last of n rows?",
                        one_beside(1),
                    ),
                    Misconception(
                        "row T − n of the backward direction",
                        "The forward state is right. Of the backward direction you take row T − n, be it so, as "
                        "[-lengths], or as row n − 1 of the array turned over. Nothing is sorted like that here: in "
                        "which row does the sequence's first step stand"
                        + ("?" if order == "steps" else ", in the order of reading?"),
                        with_rows(lambda T, lengths: (lengths - 1, T - lengths)),
                    ),
                )
                if padding == "end"
                else ()
            ),
            *(
                ()
                if (padding, order) == ("start", "reading")  # for which this is right
                else (
                    Misconception(
                        "the longest sequence's length for all",
                        "You take the same row for all sequences, that of the longest. Each has a length of its own.",
                        with_rows(lambda T, lengths: ends(T, np.full_like(lengths, lengths.max()))),
                    ),
                )
            ),
            Misconception(
                "both directions where they begin",
                "You have the states with which the two directions *begin*, each from one input alone. Which are those "
                "with which they end?",
                with_rows(starts),
            ),
            Misconception(
                "the wrong end of the forward direction",
                "The backward state is right. The forward direction has read *all* at the sequence's last step. You "
                "took its state at the first.",
                with_rows(lambda T, lengths: (starts(T, lengths)[0], ends(T, lengths)[1])),
            ),
            Misconception(
                "the states of the first sequence for all",
                "Every row of yours comes from sequence 0. The second index has to go along the batch.",
                of_the_first,
            ),
            Misconception(
                "the halves are interleaved",
                "The entries of the two states alternate in your rows. Asked for are all H of one beside all H of the "
                "other.",
                with_join(lambda one, other: np.stack([one, other], axis=-1).reshape(len(one), -1)),
            ),
            Misconception(
                "the two states one below the other",
                "You join along the batch. The two states of a sequence belong into one row: look at the axis.",
                with_join(lambda one, other: np.concatenate([one, other])),
            ),
            *(
                (
                    Misconception(
                        "the last row of the backward direction",
                        "The forward state is right. For the backward one you take the row T − 1: in shorter sequences "
                        "that is padding. And where has this direction ended?",
                        lambda forwards, backwards, lengths: taken(
                            forwards, backwards, (lengths - 1, len(forwards) - 1)
                        ),
                    ),
                )
                if padding == "end"
                else ()
            ),
            *(
                (
                    Misconception(
                        "the last row of both directions",
                        "Row T − 1 is padding in shorter sequences. And the states are sorted by steps: at which step "
                        "does the backward direction end?",
                        lambda forwards, backwards, lengths: joined(forwards[-1], backwards[-1]),
                    ),
                )
                if (padding, order) == ("end", "steps")
                else ()
            ),
            Misconception(
                "every length for every sequence",
                "h[rows] with an array of rows gives these rows of *all* sequences, (B, B, H). Each sequence needs its "
                "own row: a second index has to name the sequence.",
                every_length,
            ),
            Misconception(
                "the halves are swapped",
                "Both states are right. Read again which of them comes first.",
                lambda forwards, backwards, lengths: taken(
                    forwards,
                    backwards,
                    ends(len(forwards), lengths),
                    "backwards" if first == "forwards" else "forwards",
                ),
            ),
        ),
    )
