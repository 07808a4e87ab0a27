"""`concord best-of`: what each source selects among responses, and what humans say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import out, print_json, print_table, say
from data.store import Store
from pipelines.best_of import CHANCE, LONGER, best_of
from pipelines.estimates import as_row
from pipelines.findings import figure_of, listed
from pipelines.reward_model import HUMANS
from pipelines.sections.view import ONE_HUMAN
from pipelines.stats.intervals import NO_VARIATION
from pipelines.wording import percent, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipelines.best_of import BestOf
    from pipelines.estimates import Estimate

REWARD_MODEL = "reward model on "


def run_best_of(
    path: Path, dataset: str | None, criterion: str | None, train_on: Sequence[str], *,
    as_json: bool,
) -> None:  # fmt: skip
    """Tables by source and by number of responses, and what may be said."""
    store = Store(path)
    take_up_if_possible(store)
    found = best_of(store, chosen_dataset(store, dataset), criterion, train_on or (HUMANS,))
    if as_json:
        print_json({"dataset": found.dataset, "simulated": found.simulated,
                    "responses": found.most, "responses_of_one_human": found.paired_most,
                    "prompts": found.n_prompts, "prompts_left_out": found.left_out,
                    "estimates": [as_row(row) for row in found.rows],
                    "sentences": list(sentences(found)), "notes": found.notes})  # fmt: skip
        return
    mark = "   (simulated labels)" if found.simulated else ""
    left = f"; {found.left_out:,} prompts have fewer" if found.left_out else ""
    _print(f"{found.dataset}{mark}: {found.n_prompts:,} prompts with {found.most} responses or "
           f"more that humans compared with each other{left}")  # fmt: skip
    for method in dict.fromkeys(row.method for row in found.rows):
        rows = [row for row in found.rows if row.method == method]
        _print_sources(rows)
        _print_curve(rows)
    for sentence in sentences(found):
        _print(sentence)
    for note in found.notes:
        say(f"note: {note}")


def _print(text: str) -> None:
    out().print(text, markup=False)


def _print_sources(rows: Sequence[Estimate]) -> None:
    """The sources at the largest n, highest first."""
    last = [row for row in rows if row.slice == f"n={_most(rows)}"]
    wins = [row for row in last if row.statistic == "selection_win_rate"]
    wins.sort(key=lambda row: -(row.estimate or 0))
    found = {(row.statistic, row.subject): row for row in last}
    names = ("selection_win_rate", "selection_best_share", "selection_difference")
    _print(f"\nSelected among {_most(rows)} responses, compared by {rows[0].method}:")
    print_table(
        ["source", "humans prefer it", "humans' own best", "less longest", "prompts"],
        [
            [win.subject,
             *(figure_of(found[name, win.subject]) if (name, win.subject) in found else ""
               for name in names),
             win.n_prompts]
            for win in wins
        ],
        numbers=(1, 2, 3, 4),
    )  # fmt: skip


def _print_curve(rows: Sequence[Estimate]) -> None:
    """How often humans prefer what is selected among n, and the source's own score of it."""
    sources = dict.fromkeys(row.subject for row in rows if row.subject != CHANCE)
    wins, scores = (_by_n(rows, name) for name in ("selection_win_rate", "proxy_score"))
    _print("\nBy number of responses: humans prefer it (its own score, in standard deviations)")
    print_table(
        ["source", *(f"n = {n}" for n in range(1, _most(rows) + 1))],
        [
            [name, *(f"{value_of(wins[name, n])} ({_signed(scores[name, n])})"
                     for n in range(1, _most(rows) + 1))]
            for name in sources
        ],
        numbers=range(1, _most(rows) + 1),
    )  # fmt: skip


def _signed(row: Estimate) -> str:
    return f"{round(row.estimate or 0.0, 2) + 0.0:+.2f}"


def _by_n(rows: Sequence[Estimate], statistic: str) -> dict[tuple[str, int], Estimate]:
    return {(row.subject, _n(row)): row for row in rows if row.statistic == statistic}


def _n(row: Estimate) -> int:
    return int(row.slice.removeprefix("n="))


def _most(rows: Sequence[Estimate]) -> int:
    return max(map(_n, rows))


# ---- in words


def sentences(found: BestOf) -> Iterator[str]:
    """What the intervals allow to say, and what nothing here does."""
    rows = [row for row in found.rows if row.method == found.rows[0].method]
    last = [row for row in rows if row.slice == f"n={found.most}"]
    wins = {row.subject: row for row in last if row.statistic == "selection_win_rate"}
    for name in (*(each for each in wins if each.startswith(REWARD_MODEL)), LONGER):
        if name in wins:
            yield selection_sentence(last, name)
    unclear = [name for name, row in wins.items() if name != CHANCE and not _above(row, 0.5)]
    if unclear:
        yield f"Not shown to select better than chance: {listed(unclear)}."
    yield from _one_human(found)
    yield from curve_sentences(rows)
    yield limits(found)


def selection_sentence(rows: Sequence[Estimate], name: str) -> str:
    """What humans say of a source's selections, and whether the longest would have done."""
    own = {row.statistic: row for row in rows if row.subject == name}
    win, best = own["selection_win_rate"], own["selection_best_share"]
    n = _n(win)
    text = (
        f"What the {name} selects" if name != LONGER else "The longest response"
    )  # fmt: skip
    text += (
        f", of {n}, is preferred by held-out humans to another one {figure_of(win)} of the time "
        f"(chance: 50%) and is their own best in {figure_of(best)} (chance: {percent(1 / n)}; "
        f"{win.n_prompts:,} prompts)"
    )
    gap = own.get("selection_difference")
    if gap is not None:
        text += f"; {_beside_longest(gap)}"
    return f"{text}."


def _beside_longest(gap: Estimate) -> str:
    figure = f"{figure_of(gap)} points"
    if gap.low is None or gap.high is None or gap.low <= 0 <= gap.high:
        return f"it cannot be told from taking the longest ({figure})"
    return f"{'better' if gap.low > 0 else 'worse'} than taking the longest ({figure})"


def _above(row: Estimate, value: float) -> bool:
    """Whether it is shown to lie above: by its interval, or as it is the same on all prompts."""
    alike = NO_VARIATION in (row.note or "")
    low = row.estimate if alike else row.low
    return low is not None and low > value


def _one_human(found: BestOf) -> Iterator[str]:
    rows = [row for row in found.rows if row.slice == f"n={found.paired_most}"]
    own = [row for row in rows if (row.subject, row.statistic) == (ONE_HUMAN, "selection_win_rate")]
    for row in own:
        yield (
            f"What one human label a comparison selects, of {found.paired_most}, is preferred "
            f"by the other humans {figure_of(row)} of the time ({row.n_prompts:,} prompts)."
        )


def curve_sentences(rows: Sequence[Estimate]) -> Iterator[str]:
    """For each source from where on humans are not shown to follow its own score."""
    steps, own = _by_n(rows, "selection_step"), _by_n(rows, "proxy_step")
    most = _most(rows)
    follows, too_few = [], []
    for name in dict.fromkeys(name for name, _ in steps):
        mine = [(steps[name, n], own[name, n]) for n in range(2, most + 1)]
        ends = [each for each in mine if not (_above(each[0], 0) and _above(each[1], 0))]
        if all(human.low is None for human, _ in mine):
            too_few.append(name)
        elif ends:
            yield _end_sentence(name, *ends[0])
        else:
            follows.append(name)
    if follows:
        yield (
            f"With every response up to n = {most} own score and humans both rise: "
            f"{', '.join(follows)}; where optimising stops helping lies beyond, if anywhere."
        )
    if too_few:
        yield (f"Too few prompts to say how far humans follow its own score: {', '.join(too_few)}.")


def _end_sentence(name: str, human: Estimate, proxy: Estimate) -> str:
    """The first step at which not both are shown to rise."""
    where = f"{name}: from n = {_n(human) - 1} to {_n(human)}"
    own = f"{_signed(proxy)} standard deviations"
    if not _above(proxy, 0):
        return f"{where} its own score is not shown to rise ({own}): no step to follow."
    verb = "falls" if human.high is not None and human.high < 0 else "is not shown to rise"
    return (
        f"{where} its own score still rises ({own}), humans' preference {verb} "
        f"({figure_of(human)} points)."
    )


def limits(found: BestOf) -> str:
    """What must not be read into it."""
    return (
        f"Limits: {found.n_prompts:,} prompts with {found.most} given responses. This is selection "
        "among them; a policy that is optimised goes further from what a judge or a reward model "
        "knows, and nothing here says what happens there."
    )
