"""Best of n: what each source would select among a prompt's responses, and what humans say of it.

A source is one human, a judge, a reward model (asked about no prompt it was fitted on), the longer
response or chance. Who judges is held out: all humans where a judge or a rule selects; where one
human does, the other humans of each comparison. So that one human and the others meet the same
panels, sources are looked at twice: on all responses that some human compared with each other, and
on those that two did, one label left out in turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import InputError
from data.records import AnnotatorKind, make_id
from judges.response_features import RECIPE
from pipelines.estimates import ALL, Estimate
from pipelines.panel import read_panel
from pipelines.reward_model import HUMANS, fit_scorer, lessons_of, read_texts
from pipelines.sections.view import DIFFERENCE, ONE_HUMAN, Rules, View, row
from pipelines.stats.agreement import TIE, A, total
from pipelines.stats.intervals import FEWEST_PROMPTS, Interval, ratio, smooth_interval
from pipelines.stats.selection import centred, curve, worth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from data.store import Store
    from judges.response_features import Recipe
    from judges.reward_model import Scorer
    from pipelines.panel import Panel

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]
    Pairs = dict[tuple[int, int], int]

SECTION = "best_of"
OTHERS = "held-out humans"
LONGER, CHANCE = "longer response", "random choice"
MOST_RESPONSES = 8  # of a prompt: all their subsets are looked at
LEAST_RESPONSES = 3  # of two, selecting is agreeing
BY_DEFINITION = "by definition, without an interval"


@dataclass(frozen=True, slots=True)
class Group:
    """g prompts whose k responses were all compared with each other.

    `prompt` (g,) are codes; `item` (g, k, k) the comparison of two responses, -1 on the diagonal;
    `first` (g, k, k) whether the row's response is its a; `text` and `asked`: the responses' and
    the prompts' texts, None where not known.
    """

    prompt: Integers
    item: Integers
    first: NDArray[np.bool_]
    text: tuple[tuple[str | None, ...], ...]
    asked: tuple[str | None, ...]

    @property
    def k(self) -> int:
        """Responses of each prompt."""
        return int(self.item.shape[1])

    def points(self, p_a: Floats) -> Floats:
        """P(a preferred) of comparisons (n,) as (g, k, k); 0 on the diagonal."""
        found = np.where(self.first, p_a[self.item], 1 - p_a[self.item])
        found[:, range(self.k), range(self.k)] = 0
        return found

    def of(self, kept: NDArray[np.bool_]) -> Group:
        """Some of the prompts."""
        places = np.flatnonzero(kept)
        return Group(self.prompt[kept], self.item[kept], self.first[kept],
                     tuple(self.text[p] for p in places),
                     tuple(self.asked[p] for p in places))  # fmt: skip


@dataclass(frozen=True, slots=True)
class BestOf:
    """What came out: `rows` are Estimates, `most` the number of responses of each prompt.

    `paired_most`: likewise where one human can be held out, None where that is nowhere.
    """

    rows: tuple[Estimate, ...]
    most: int
    paired_most: int | None
    n_prompts: int
    left_out: int
    notes: tuple[str, ...]
    dataset: str
    simulated: bool


def best_of(
    store: Store,
    dataset: str,
    criterion: str | None = None,
    train_on: Sequence[str] = (HUMANS,),
    recipe: Recipe = RECIPE,
) -> BestOf:
    """Every source's selections, and reward models fitted to the labels of `train_on`.

    Raises InputError, with what is missing, where no prompt has three responses that humans
    compared with each other.
    """
    panel = read_panel(store, dataset, criterion)
    texts = read_texts(store, dataset)
    world = _World(View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool)), texts)
    all_groups, most = _chosen(world.groups(1), world)
    scorers, notes = _scorers(panel, texts, train_on, recipe)
    rows = list(world.rows(all_groups, most, scorers, held_out=False))
    paired = world.groups(2)
    paired_most = None
    if max(paired, default=0) >= LEAST_RESPONSES:
        groups, paired_most = _chosen(paired, world)
        rows += world.rows(groups, paired_most, scorers, held_out=True)
    else:
        notes.append("no prompt has three responses that two humans compared: no row of one human")
    n_prompts = sum(len(group.prompt) for group in all_groups)
    left_out = len(np.unique(panel.prompt)) - n_prompts
    return BestOf(tuple(rows), most, paired_most, n_prompts, left_out, tuple(notes), dataset,
                  panel.simulated)  # fmt: skip


def _scorers(
    panel: Panel, texts: pa.Table, train_on: Sequence[str], recipe: Recipe
) -> tuple[dict[str, Scorer], list[str]]:
    """Reward models by name; and why one is missing."""
    found, notes = {}, []
    for source in dict.fromkeys(train_on):
        try:
            lessons = lessons_of(panel, texts, source)
        except InputError as error:
            if "no annotator" in error.what:
                raise
            notes.append(f"no reward model: {error.what}")
            continue
        found[f"reward model on {source}"] = fit_scorer(lessons, recipe)
    return found, notes


def _chosen(groups: Mapping[int, Group], world: _World) -> tuple[list[Group], int]:
    """The groups of the most responses that enough prompts have. Raises InputError."""
    sizes = sorted((k for k in groups if k >= LEAST_RESPONSES), reverse=True)
    if not sizes:
        most = max(groups, default=0)
        raise InputError(
            f"no prompt of {world.panel.dataset!r} has {LEAST_RESPONSES} responses that humans "
            f"compared with each other (the most: {most})",
            "Best of n needs several responses to a prompt, and human labels of all their pairs.",
        )
    for most in sizes:
        kept = [groups[k] for k in sizes if k >= most]
        if sum(len(group.prompt) for group in kept) >= FEWEST_PROMPTS:
            break
    return kept, most


@dataclass(slots=True)
class _World:
    """A data set whose comparisons are read as responses of prompts."""

    view: View
    texts: pa.Table
    labels: Floats = field(init=False)  # (most, n): P(a) by each label of a comparison, then NaN

    def __post_init__(self) -> None:
        self.labels = _human_labels(self.view)

    @property
    def panel(self) -> Panel:
        return self.view.panel

    def groups(self, humans: int) -> dict[int, Group]:
        """Prompts by how many of their responses so many humans compared with each other."""
        usable = np.isfinite(self.labels).sum(axis=0) >= humans
        by_prompt = self._pairs(usable)
        found: dict[int, list[tuple[int, list[int], Pairs]]] = {}
        for prompt, pairs in by_prompt.items():
            members = _largest_complete(pairs)
            found.setdefault(len(members), []).append((prompt, members, pairs))
        return {k: self._group(k, each) for k, each in found.items()}

    def _pairs(self, usable: NDArray[np.bool_]) -> dict[int, Pairs]:
        """Of each prompt: (response, other) to comparison, + 1 and negative where turned."""
        keys = self._keys
        with_texts = ~np.asarray(self.texts["lacks"].to_numpy(zero_copy_only=False), dtype=bool)
        usable = usable & (with_texts if with_texts.any() else True)
        found: dict[int, Pairs] = {}
        for item in np.flatnonzero(usable):
            a, b = keys[item]
            if a is None or b is None or a == b:
                continue
            pairs = found.setdefault(int(self.panel.prompt[item]), {})
            if (a, b) not in pairs:  # the first of several comparisons of the same two
                pairs[a, b], pairs[b, a] = int(item) + 1, -int(item) - 1
        return found

    @property
    def _keys(self) -> list[tuple[int | None, int | None]]:
        """Each comparison's two responses: by model and text, as numbers that do not depend on
        which is called a; None where neither is known.
        """
        panel = self.panel
        sides = []
        for column, models in (("response_a", panel.model_a), ("response_b", panel.model_b)):
            names = [panel.models[m] if m >= 0 else None for m in models]
            said = self.texts[column].to_pylist()
            sides.append([
                None if (name, text) == (None, None) else make_id(name, text).int
                for name, text in zip(names, said, strict=True)
            ])  # fmt: skip
        return list(zip(*sides, strict=True))

    def _group(self, k: int, found: Sequence[tuple[int, list[int], Pairs]]) -> Group:
        place = np.array([[[pairs.get((r, s), 0) for s in members] for r in members]
                          for _, members, pairs in found]).reshape(-1, k, k)  # fmt: skip
        item, first = np.abs(place) - 1, place > 0
        a, b = (self.texts[name].to_pylist() for name in ("response_a", "response_b"))
        asked = self.texts["prompt"].to_pylist()
        text = tuple(
            tuple((a if first[g, r, (r + 1) % k] else b)[item[g, r, (r + 1) % k]] for r in range(k))
            for g in range(len(found))
        ) if k > 1 else ()  # fmt: skip
        prompts = np.array([prompt for prompt, _, _ in found])
        whose = tuple(asked[item[g, 0, 1]] for g in range(len(found))) if k > 1 else ()
        return Group(prompts, item, first, text, whose)

    def rows(
        self, groups: Sequence[Group], most: int, scorers: Mapping[str, Scorer], *, held_out: bool
    ) -> Iterator[Estimate]:
        """Rows of every source; `held_out`: one human's too, each label left out in turn."""
        out = _Writer(self, most, held_out=held_out)
        if held_out:
            yield from out.source(ONE_HUMAN, [self._one_human(group) for group in groups])
        for k in self.panel.indices(AnnotatorKind.JUDGE):
            shares = self.view.shares(k)
            p_a = shares[:, A] + shares[:, TIE] / 2
            selected = [self._selecting(g, g.points(p_a), held_out=held_out) for g in groups]
            yield from out.source(self.panel.annotators[k].name, selected)
        ruled: dict[str, list[Floats]] = {
            name: [_scores(scorer, group) for group in groups] for name, scorer in scorers.items()
        }
        ruled[LONGER] = [_lengths(group) for group in groups]
        for name, scores in ruled.items():
            selected = [self._selecting(g, s, held_out=held_out)
                        for g, s in zip(groups, scores, strict=True)]  # fmt: skip
            yield from out.source(name, selected)
        yield from out.differences()
        yield from out.chance()

    def _selecting(self, group: Group, source: Floats, *, held_out: bool) -> _Selecting:
        """Against all humans; or against each panel without one label, averaged over that one."""
        known = np.isfinite(source.reshape(len(source), -1).sum(axis=1))
        group, source = group.of(known), source[known]
        slots = range(self._n_slots(group)) if held_out else (None,)
        turns = tuple((source, group.points(self._humans_without(slot))) for slot in slots)
        return _Selecting(group, turns)

    def _one_human(self, group: Group) -> _Selecting:
        """One label a comparison selects, the others judge; each label in turn."""
        turns = tuple(
            (group.points(self.labels[slot]), group.points(self._humans_without(slot)))
            for slot in range(self._n_slots(group))
        )
        return _Selecting(group, turns)

    def _n_slots(self, group: Group) -> int:
        """Labels that every comparison of the group has."""
        counts = np.isfinite(self.labels).sum(axis=0)
        return int(counts[group.item[group.item >= 0]].min(initial=len(self.labels)))

    def _humans_without(self, slot: int | None) -> Floats:
        """The mean label (n,), without the one of that number; NaN where none is left."""
        kept = self.labels if slot is None else np.delete(self.labels, slot, axis=0)
        n = np.isfinite(kept).sum(axis=0)
        with np.errstate(invalid="ignore"):
            result: Floats = np.nansum(kept, axis=0) / np.where(n, n, np.nan)
        return result

    def n_labels(self, group: Group) -> int:
        """Human labels of the group's comparisons."""
        return int(np.isfinite(self.labels[:, np.unique(group.item[group.item >= 0])]).sum())


def _human_labels(view: View) -> Floats:
    """P(a) (most, n) by the first, second ... human label of each comparison; NaN behind the last.

    The labels of a human who labels all comparisons stand in one row as long as those before do.
    """
    n = view.panel.n_items
    humans = view.panel.indices(AnnotatorKind.HUMAN)
    found = np.full((max(len(humans), 1), n), np.nan)
    place = np.zeros(n, dtype=np.intp)
    for k in humans:
        counts = view.counts(k)
        has = total(counts) > 0
        found[place[has], np.flatnonzero(has)] = (
            counts[has, A] + counts[has, TIE] / 2
        ) / total(counts)[has]  # fmt: skip
        place += has
    return found


def _largest_complete(pairs: Pairs) -> list[int]:
    """The most responses that were all compared with each other, of equal sets the first."""
    degree: dict[int, int] = {}
    for response, _ in pairs:
        degree[response] = degree.get(response, 0) + 1
    members = sorted(degree, key=lambda response: (-degree[response], response))[:MOST_RESPONSES]
    members.sort()
    for size in range(len(members), 1, -1):
        for each in combinations(members, size):
            if all(couple in pairs for couple in combinations(each, 2)):
                return list(each)
    return members


def _lengths(group: Group) -> Floats:
    return np.array(
        [[np.nan if t is None else len(t) for t in texts] for texts in group.text]
    ).reshape(-1, group.k)


def _scores(scorer: Scorer, group: Group) -> Floats:
    """A reward model's scores (g, k), each prompt by the model that did not see it."""
    found = np.full((len(group.prompt), group.k), np.nan)
    folds = [scorer.fold_of(prompt) for prompt in group.asked]
    for fold in set(folds):
        places = [g for g, each in enumerate(folds) if each == fold and None not in group.text[g]]
        said = [text or "" for g in places for text in group.text[g]]
        if said:
            found[places] = scorer.scores(said, fold).reshape(-1, group.k)
    return found


@dataclass(frozen=True, slots=True)
class _Selecting:
    """A source on a group: in each turn its points or scores, and those who judge it."""

    group: Group
    turns: tuple[tuple[Floats, Floats], ...]

    def curves(self, most: int, proxies: Sequence[Floats]) -> Floats:
        """Worth, humans' best and proxy (most, 3, g), averaged over the turns."""
        each = [
            curve(source, target, proxy, most)
            for (source, target), proxy in zip(self.turns, proxies, strict=True)
        ]
        result: Floats = np.mean(each, axis=0)
        return result


class _Writer:
    """Rows from the curves of sources; `of` keeps each one's prompts and last win rates."""

    def __init__(self, world: _World, most: int, *, held_out: bool) -> None:
        self.world, self.most = world, most
        self.method = "two humans or more, one held out" if held_out else "one human or more"
        self.of: dict[str, dict[int, float]] = {}
        self.sizes: dict[str, tuple[int, int]] = {}

    def source(self, name: str, groups: Sequence[_Selecting]) -> Iterator[Estimate]:
        """A source's rows for each n; none where it has no prompt."""
        groups = [each for each in groups if len(each.group.prompt)]
        if not groups:
            return
        found = np.concatenate([g.curves(self.most, p) for g, p in _proxied(groups)], axis=2)
        prompts = np.concatenate([each.group.prompt for each in groups])
        self.of[name] = dict(zip(prompts.tolist(), found[-1, 0].tolist(), strict=True))
        self.sizes[name] = (
            sum(len(each.group.prompt) * each.group.k * (each.group.k - 1) // 2 for each in groups),
            sum(self.world.n_labels(each.group) for each in groups),
        )
        for n in range(1, self.most + 1):
            win, best, proxy = found[n - 1]
            yield self._row(name, n, "selection_win_rate", win, "share")
            yield self._row(name, n, "proxy_score", proxy, "sd")
            if n > 1:
                steps = found[n - 1] - found[n - 2]
                yield self._row(name, n, "selection_best_share", best, "share")
                yield self._row(name, n, "selection_step", steps[0], "share difference")
                yield self._row(name, n, "proxy_step", steps[2], "sd")

    def differences(self) -> Iterator[Estimate]:
        """Each source's last win rate less that of the longer response, on the same prompts."""
        base = self.of.get(LONGER, {})
        for name, own in self.of.items():
            shared = np.array([own[p] - base[p] for p in own if p in base])
            if name != LONGER and len(shared):
                yield self._row(name, self.most, "selection_difference", shared,
                                "share difference", LONGER)  # fmt: skip

    def chance(self) -> Iterator[Estimate]:
        """A random choice: what it comes to without any error."""
        name, (items, labels) = max(self.sizes.items(), key=lambda each: each[1])
        self.sizes[CHANCE] = (items, labels)
        for n in range(1, self.most + 1):
            for statistic, value in (("selection_win_rate", 0.5), ("selection_best_share", 1 / n)):
                interval = Interval(value, None, None, len(self.of[name]), BY_DEFINITION)
                yield self._estimate(CHANCE, n, statistic, interval, "share")

    def _row(
        self, name: str, n: int, statistic: str, values: Floats, unit: str, reference: str = OTHERS
    ) -> Estimate:
        bounds = DIFFERENCE if unit == "share difference" else (-np.inf, np.inf)
        values = np.clip(values, 0, 1) if unit == "share" else values
        sums = np.stack([values, np.ones(len(values))], axis=1)
        interval = smooth_interval(ratio, sums, proportion=unit == "share", bounds=bounds)
        return self._estimate(name, n, statistic, interval, unit, reference)

    def _estimate(
        self, name: str, n: int, statistic: str, interval: Interval, unit: str,
        reference: str = OTHERS,
    ) -> Estimate:  # fmt: skip
        items, labels = self.sizes[name]
        made = row(self.world.view, SECTION, statistic, name, reference, interval, n_items=items,
                   n_labels=labels, unit=unit, method=self.method)  # fmt: skip
        return replace(made, slice=f"n={n}")


def _proxied(groups: Sequence[_Selecting]) -> Iterator[tuple[_Selecting, list[Floats]]]:
    """With what the source itself thinks of each response: from the prompt's mean, in standard
    deviations over all prompts; 0 where it never tells responses apart.
    """
    own = [
        [centred(worth(source) if source.ndim == 3 else source) for source, _ in each.turns]
        for each in groups
    ]
    every = np.concatenate([scores.ravel() for turns in own for scores in turns])
    spread = float(np.sqrt((every**2).mean())) or 1.0
    for each, turns in zip(groups, own, strict=True):
        yield each, [scores / spread for scores in turns]
