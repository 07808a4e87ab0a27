"""Prompts with three responses each, and judges of every kind that label them over real HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from data.formats.material import COMPARISONS, LABELS, Material, table
from data.imports import import_material
from data.records import Annotator, AnnotatorKind
from data.store import Store
from judges.config import read_judge
from judges.providers import batch_clients_for, client_for
from judges.simulated import Behaviour, Truth
from pipelines.engines.calls import RetryPolicy
from pipelines.label import Batching, LabelOptions, Progress, label
from pipelines.reparse import reparse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from judges.simulated import SimulatedProvider
    from judges.task import AnyJudge
    from pipelines.label import Labelled
    from pipelines.plan import Plan

SAID = {"a": "the answer is 42.", "b": "the answer is 41.", "c": "nobody can know that."}
PROSE = (
    "Whoever asks this has thought about it for a while already, and so the words that follow are "
    "plain ones, without any detour, and with nothing in them that could be left out."
)
QUALITY = {"a": 0.9, "b": 0.5, "c": 0.1}
PAIRS = ("ab", "bc", "ca")
BETTER = {"ab": "a", "bc": "a", "ca": "b"}  # in stored orientation
QUICK = RetryPolicy(attempts=4, base_seconds=0.01, longest_retry_after_seconds=0.05)
JUDGE = """\
name = "{name}"
model = "{model}"
api_base = "{api_base}"
{top}
{tables}
[parameters]
max_tokens = 300
temperature = {temperature}

[price]
input_usd_per_million_tokens = 1
output_usd_per_million_tokens = 4
"""


def question(item: int) -> str:
    """A prompt that no other one contains."""
    return f"What is the answer to question number {item:05d}?"


def said(item: int, side: str) -> str:
    """A response that no other one contains."""
    return f"This is response {side} to question number {item:05d}. {PROSE} So: {SAID[side]}"


def truth(n: int, text: Callable[[int, str], str] = said) -> Truth:
    """Of three responses the first is the best."""
    return Truth((text(item, side), QUALITY[side]) for item in range(n) for side in QUALITY)


def make_triads(
    path: Path, n: int, reference: str | None = "42", text: Callable[[int, str], str] = said
) -> Store:
    """A store with one data set `d`: three comparisons for each of n prompts, and one human."""
    rows = [
        {
            "item": 3 * item + k,
            "source_id": f"{item}-{pair}",
            "prompt": question(item),
            "response_a": text(item, pair[0]),
            "response_b": text(item, pair[1]),
            "reference": reference,
        }
        for item in range(n)
        for k, pair in enumerate(PAIRS)
    ]
    labels = [
        {"item": row["item"], "annotator": "ann", "preference": BETTER[PAIRS[row["item"] % 3]]}
        for row in rows
    ]
    store = Store(path, create=True)
    humans = (Annotator(AnnotatorKind.HUMAN, "ann", "d"),)
    material = Material(
        "d", "test", table(rows, COMPARISONS), table(labels, LABELS), humans, "digest"
    )
    import_material(store, material)
    return store


def written(
    folder: Path,
    api_base: str,
    top: str = "",
    tables: str = "",
    *,
    name: str = "j",
    model: str = "openai/m",
    temperature: float = 0,
) -> Path:
    """A judge file; `top` are keys of its own, `tables` its tables."""
    path = folder / f"{name}.toml"
    values = {"name": name, "model": model, "api_base": api_base, "temperature": temperature}
    path.write_text(JUDGE.format(**values, top=top, tables=tables))
    return path


def rows_of(store: Store, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    """The labels of judges, in a fixed order."""
    sql = f"""SELECT {columns} FROM labels JOIN annotators USING (annotator_id)
              JOIN comparisons USING (comparison_id) WHERE kind = 'judge' AND {where}
              ORDER BY name, source_id, shown, criterion, repeat"""
    with store.reading() as con:
        return con.execute(sql).fetchall()


# ---- judges


N = 2  # prompts, each with three responses and three comparisons
SHARP = Behaviour(sharpness=50)
MODELS = {
    "m": SHARP,
    "m2": SHARP,
    "backwards": Behaviour(sharpness=-50),
    "silent": replace(SHARP, logprobs=False),
    "no-logprobs": replace(SHARP, refuse_logprobs=True),
    "no-json": replace(SHARP, refuse_response_format=True),
    "late": replace(SHARP, refuse_logprobs=True, batch_seconds=0.5),
}
PRINCIPLES = "# ours\nBe brief.\n- Be right.\n\nBe kind.\n"
DIRECT = 'transport = "direct"\n'


@dataclass(frozen=True)
class Case:
    """A judge file, and what must come of it; N prompts, 3 N comparisons."""

    top: str = ""
    tables: str = ""
    calls: int = 6 * N
    labels: int = 6 * N
    """Of the judge itself, on its own criterion."""
    criteria: tuple[str, ...] = ("overall",)
    orders: tuple[str | None, ...] = ("ab", "ba")
    p_a: bool = False
    details: Callable[[dict[str, Any], str], bool] = lambda found, _: not found
    temperature: float = 0
    model: str = "openai/m"
    skipped: int = 0


def by_rank(found: dict[str, Any], pair: str) -> bool:
    order = {side: rank for rank, side in enumerate("abc", start=1)}
    return found == {"ranks": {"a": order[pair[0]], "b": order[pair[1]]}}


def by_rating(found: dict[str, Any], pair: str) -> bool:
    ratings = found["ratings"]
    return set(found) == {"ratings"} and (ratings["a"] > ratings["b"]) == (BETTER[pair] == "a")


SOFT = {"soft_from": "logprobs"}
RUBRIC = "[criteria]\nbrevity = 'is short'\ntruth = 'is right'\n"
THREE = ("overall", "brevity", "truth")


CASES = {
    "pairwise": Case(),
    "pairwise, direct": Case(DIRECT),
    "pairwise, Anthropic": Case(model="anthropic/m"),
    "pairwise without reasons or ties": Case(
        DIRECT + 'template = "pairwise-brief"', "[verdict]\nties = false\n"
    ),
    "pairwise in words": Case(
        DIRECT + 'template = "words.md"',
        "[verdict]\nfirst = 'A'\nsecond = 'B'\ntie = 'C'\npattern = '\\[\\[(A|B|C)\\]\\]'\n",
    ),
    "pairwise in JSON": Case('output = "json"'),
    "soft": Case('kind = "soft"', p_a=True, details=lambda found, _: found == SOFT),
    # Three responses to a prompt: two ratings for each of three comparisons, and equal ones once.
    "rating": Case(
        DIRECT + 'kind = "rating"',
        "[scale]\nlow = 1\nhigh = 100\n",
        3 * N,
        3 * N,
        orders=(None,),
        details=by_rating,
    ),
    "rating in JSON": Case(
        DIRECT + 'kind = "rating"\noutput = "json"',
        "[scale]\nlow = 1\nhigh = 100\n",
        3 * N,
        3 * N,
        orders=(None,),
        details=by_rating,
    ),
    "rubric": Case(DIRECT + 'kind = "rubric"', RUBRIC, criteria=THREE),
    "rubric in JSON": Case(DIRECT + 'kind = "rubric"\noutput = "json"', RUBRIC, criteria=THREE),
    "constitution": Case(
        DIRECT + 'principles = "principles.txt"',
        details=lambda found, _: found["principle"] in ("Be brief.", "Be right.", "Be kind."),
    ),
    "reference": Case(DIRECT + 'template = "reference"'),
    # The comparisons of the prompt that is the example are not judged.
    "few-shot": Case(DIRECT + 'examples = "examples.jsonl"', calls=6 * N - 6, skipped=6),
    "samples": Case(
        DIRECT + "samples = 3",
        calls=18 * N,
        p_a=True,
        temperature=1,
        details=lambda found, pair: found == {"samples": {BETTER[pair]: 3, "unparsed": 0}},
    ),
    "ranking": Case(DIRECT + 'kind = "ranking"', calls=2 * N, details=by_rank),
    "ranking in JSON": Case(
        DIRECT + 'kind = "ranking"\noutput = "json"', calls=2 * N, details=by_rank
    ),
    "ranking, one direction": Case(
        DIRECT + 'kind = "ranking"\norders = "random"', calls=N, labels=3 * N, details=by_rank
    ),
}


def judge_of(case: Case, folder: Path, provider: SimulatedProvider, shot: int = 0) -> AnyJudge:
    """The judge of a case; the comparison of the prompt `shot` is its example."""
    (folder / "principles.txt").write_text(PRINCIPLES)
    (folder / "words.md").write_text(
        "## user\n{{prompt}}\n[Response 1]\n{{response_1}}\n[Response 2]\n{{response_2}}\n"
        "Say why, then answer [[A]] if the first is better, [[B]] if the second is, or [[C]].\n"
    )
    texts = {"prompt": question(shot), "response_a": said(shot, "a"), "response_b": said(shot, "c")}
    (folder / "examples.jsonl").write_text(json.dumps({**texts, "preference": "a"}) + "\n")
    address = provider.anthropic_url if case.model.startswith("anthropic/") else provider.base_url
    path = written(
        folder, address, case.top, case.tables, model=case.model, temperature=case.temperature
    )
    return read_judge(path)


def run(store: Store, judge: AnyJudge, **options: Any) -> Labelled:
    return label(store, judge, client_for(judge), LabelOptions("d", retry=QUICK, **options))


def run_in_batches(
    store: Store, judge: AnyJudge, report: Callable[[Progress], None] = lambda _: None
) -> Labelled:
    batching = Batching(batch_clients_for(judge), poll_seconds=0.05)
    return label(store, judge, None, LabelOptions("d"), report, batching)


def sent(provider: SimulatedProvider) -> int:
    return len(list(provider.log()))


def assert_labels(store: Store, case: Case) -> None:
    found = rows_of(
        store, "source_id, shown, criterion, status, preference, p_a, details, cost_usd"
    )
    ok = [row for row in found if row[3] != "skipped"]
    assert len(found) == case.labels * len(case.criteria)
    assert len(found) - len(ok) == case.skipped
    assert {row[1] for row in ok} == set(case.orders)
    assert {row[2] for row in ok} == set(case.criteria)
    for source_id, _, _, status, preference, p_a, details, cost_usd in ok:
        pair = source_id.partition("-")[2]
        assert (status, preference) == ("ok", BETTER[pair])
        assert (p_a is not None) is case.p_a
        assert p_a is None or (p_a > 0.5) == (preference == "a")
        assert case.details(json.loads(details or "{}"), pair), details
        assert cost_usd > 0


def assert_reparsed(store: Store, run_id: object) -> None:
    """Labels that are spoilt in the store come back from the replies, exactly as they were."""
    columns = "source_id, shown, criterion, status, preference, p_a, rationale, details, cost_usd"
    before = rows_of(store, columns)
    with store.writing() as con:
        con.execute(
            "UPDATE labels SET preference = CASE preference WHEN 'a' THEN 'b' ELSE 'a' END, "
            "rationale = 'spoilt', details = NULL WHERE run_id IS NOT NULL AND status = 'ok'"
        )
    spoilt = sum(row[3] == "ok" for row in before)
    again = reparse(store, str(run_id)[:8])
    assert (again.read, again.changed, again.without_reply) == (len(before), spoilt, 0)
    assert rows_of(store, columns) == before


def assert_within(store: Store, planned: Plan) -> None:
    """What was used and paid is within the ranges of the plan."""
    with store.reading() as con:
        sums = "sum(prompt_tokens), sum(completion_tokens), sum(paid_usd)"
        [used] = con.execute(f"SELECT {sums} FROM replies").fetchall()
    for range_, amount in zip(
        (planned.prompt_tokens, planned.completion_tokens, planned.cost_usd), used, strict=True
    ):
        assert range_.low <= amount <= range_.high
