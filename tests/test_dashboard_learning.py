"""The learning view: an experiment run by a process of its own, its result kept and drawn."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from app import jobs, words_learning
from app.figures_learning import learning, limits
from app.jobs import Job
from data import browse
from data.browse import Wanted
from data.store import Store
from data.tags import Tag, set_tag
from pipelines.estimates import Estimate, as_row
from pipelines.learn import CEILING, GROUPS, HUMAN, IMITATION, LONGER, PROMPTS
from tests.dashboards import make_store
from tests.test_dashboard import check, commands, open_app, texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

HOSTILE = "**bold** <img src=x> [a](http://x) :material/bolt:"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    yield make_store(tmp_path / "s.duckdb").path
    jobs._stop_all()


def press(app: AppTest, key: str) -> AppTest:
    [button] = [button for button in app.button if button.key == key]
    return button.click().run()


def settle(app: AppTest, what: str, seconds: float = 90.0) -> AppTest:
    """Draw the page again until it says so."""
    end = time.monotonic() + seconds
    while not any(what in text for text in texts(app)):
        assert time.monotonic() < end, texts(app)
        time.sleep(0.3)
        check(app.run())
    return app


def test_it_is_run_by_a_button_kept_and_drawn(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = store.read_bytes()
    app = check(open_app(monkeypatch, store, "learning", repeats="1"))
    assert words_learning.NOT_RUN in texts(app)
    assert not (store.parent / "s.duckdb.cache").exists()
    check(press(app, "run-learn"))
    assert any(text.startswith("Running: ") for text in texts(app))
    settle(app, "What may not be concluded")
    assert any(text.startswith("With ") and " labels, on prompts not seen," in text
               for text in texts(app))  # fmt: skip
    again = check(open_app(monkeypatch, store, "learning", repeats="1", by="money"))
    assert any("What may not be concluded" in text for text in texts(again))
    full = check(open_app(monkeypatch, store, "learning", repeats="4"))
    assert words_learning.NOT_RUN in texts(full)
    assert store.read_bytes() == before
    assert commands(again)[-1].startswith("concord learn --dataset small")
    kept = Store(store)
    with kept.reading() as con:
        [item, *_] = browse.page_of(con, Wanted("small"), number=1, size=1).rows
    set_tag(kept, str(item["comparison_id"]), Tag.HUMAN_NOISE, "eve", None)
    check(press(open_app(monkeypatch, store, "learning", repeats="1"), "refresh"))
    later = settle(open_app(monkeypatch, store, "learning", repeats="1"), "know of them")
    assert any("What may not be concluded" in text for text in texts(later))
    assert words_learning.AGAIN in [button.label for button in later.button]


def test_what_is_missing_is_said_as_the_command_says_it(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = check(open_app(monkeypatch, store, "learning"))
    check(press(app, "run-best"))  # two responses a prompt: nothing to select among
    settle(app, "Best of n needs several responses to a prompt")
    assert any(button.label == "Try again" for button in app.button)


def job_of(store: Path, name: str = "learn", version: str = "1") -> Job:
    return Job(name, ("--dataset=small",), str(store), version)


def test_a_result_is_of_one_version_of_the_data(store: Path) -> None:
    job = job_of(store)
    assert jobs.state(job).kind == "none"
    job.target.parent.mkdir()
    job.target.write_text('{"estimates": []}', "utf-8")
    assert jobs.state(job).kind == "done"
    assert jobs.state(job_of(store, version="2")).kind == "none"
    job.target.write_text('{"estimates": [', "utf-8")  # cut short
    assert jobs.state(job).kind == "none"


def test_a_store_named_from_the_current_folder_is_found(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.parent.parent)
    named = f"{store.parent.name}/{store.name}"  # as `concord demo` names it
    job = Job("best-of", ("--dataset=small",), named, "1")
    jobs.run(job)
    assert "Best of n needs several responses" in jobs.state(job).said


def test_a_result_of_earlier_labels_is_shown_with_its_age(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(open_app(monkeypatch, store, "learning", repeats="1"))
    before, after = (job_of(store, version=version) for version in "12")
    assert jobs.earlier(after) is None
    before.target.parent.mkdir(exist_ok=True)
    before.target.write_text('{"estimates": [1]}', "utf-8")
    before.newest.write_text(before.target.name, "utf-8")
    found = jobs.earlier(after)
    assert found is not None
    assert found[0] == {"estimates": [1]}
    assert jobs.earlier(before) is None  # it is the result as it is now
    other = Job("learn", ("--dataset=small", "--repeats=1"), str(store), "2")
    assert jobs.earlier(other) is None
    before.newest.write_text("../../elsewhere", "utf-8")
    assert jobs.earlier(after) is None
    assert "2.0 d old" in words_learning.earlier(2 * 86400)
    assert "less than a minute old" in words_learning.earlier(3)


def test_a_stopped_job_leaves_nothing(store: Path) -> None:
    job = job_of(store)
    jobs.start(job)
    jobs.start(job)  # it runs already
    assert jobs.state(job).kind == "running"
    jobs.stop(job)
    end = time.monotonic() + 20
    while jobs.state(job).kind == "running":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert jobs.state(job).kind == "none"
    assert list(job.target.parent.iterdir()) == []


def test_old_results_are_dropped(tmp_path: Path) -> None:
    for k in range(jobs.MOST_FILES + 5):
        (tmp_path / f"{k}.json").write_text("{}", "utf-8")
    jobs._tidy(tmp_path)
    assert len(list(tmp_path.iterdir())) == jobs.MOST_FILES


# ---- a result's words and curves


def row(subject: str, statistic: str, estimate: float | None, **other: Any) -> Estimate:
    made = Estimate("learning", subject, "held-out human votes", "overall", statistic, PROMPTS,
                    "labels=25", estimate, None, None, 100, 40, 25, "share", None)  # fmt: skip
    return replace(made, **other)


def result(judge: str) -> dict[str, Any]:
    """By hand: two sizes, one judge, a ceiling; with prices of humans alone."""
    mixed = f"{judge}, 30% one human"
    rows = [
        row(arm, "held_out_agreement", value + n / 10_000, slice=f"labels={n}", n_labels=n,
            low=value - 0.05, high=value + 0.05)
        for arm, value in ((HUMAN, 0.7), (IMITATION, 0.6), (judge, 0.68), (mixed, 0.69))
        for n in (25, 400)
    ]  # fmt: skip
    rows += [
        row(HUMAN, "labels_usd", n * 0.5, slice=f"labels={n}", n_labels=n, unit="usd")
        for n in (25, 400)
    ]
    rows += [row(judge, "labels_usd", None, slice="labels=25", unit="usd")]
    rows += [row(CEILING, "held_out_agreement", 0.8, slice="all", low=0.75, high=0.85)]
    rows += [row(LONGER, "held_out_agreement", 0.62, slice="all")]
    rows += [row(judge, "held_out_difference", -0.02, reference=HUMAN, slice="labels=400")]
    return {
        "sizes": {PROMPTS: [25, 400]},
        "recipe": {"ngrams": 2, "style_weight": 1.0, "ridge": 10.0, "embedding": None},
        "conclusions": [
            "With 400 labels, on prompts not seen:",
            "  comparisons of one human cannot be told from imitation (+2 points [-3, +7]);",
            f"  labels of {judge} cannot be told from those of one human (-2 points);",
            "Not shown: anything else.",
        ],
        "estimates": [as_row(each) for each in rows],
        "notes": [f"without the labels of {judge}"],
    }


def test_findings_are_told_apart_from_what_may_not_be_concluded() -> None:
    groups, not_shown = words_learning.conclusions(result("j"))
    assert words_learning.lead(groups) == (
        "With 400 labels, on prompts not seen, comparisons of one human cannot be told from "
        "imitation (+2 points [-3, +7])."
    )
    assert not_shown == ["Not shown: anything else."]
    assert len(groups[0][1]) == 2


def test_curves_by_number_and_by_money() -> None:
    rows = words_learning.estimates(result("j"))
    assert words_learning.judges(rows) == ["j"]
    by_number = words_learning.curves(rows, PROMPTS, "j", words_learning.NUMBER)
    assert [(c.label, c.role, c.dashed) for c in by_number] == [
        (HUMAN, "human", False), (IMITATION, "human", True), ("j", "AI", False),
        ("30% one human", "AI", True),
    ]  # fmt: skip
    assert [knot.x for knot in by_number[0].knots] == [25, 400]
    [by_money] = words_learning.curves(rows, PROMPTS, "j", words_learning.MONEY)
    assert [knot.x for knot in by_money.knots] == [12.5, 200]
    assert words_learning.curves(rows, GROUPS, "j", words_learning.NUMBER) == []


def test_a_figure_has_the_band_the_lines_and_their_names() -> None:
    rows = words_learning.estimates(result("j"))
    curves = words_learning.curves(rows, PROMPTS, "j", words_learning.NUMBER)
    shades = words_learning.shades(rows, PROMPTS)
    assert [(s.name, s.role) for s in shades] == [(CEILING, "human"), (LONGER, "baseline")]
    chart = learning(tuple(curves), tuple(shades), "labels", limits(curves, shades), money=False)
    drawn = chart.to_dict()
    names = [rows for rows in drawn["datasets"].values() if "place" in rows[0]]
    assert len(names[0]) == len(curves) + len(shades)
    heights = sorted(each["place"] for each in names[0])
    assert all(b - a > 0.005 for a, b in pairwise(heights))


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ("note: x\nerror: no texts\n  Import them.\n", "No texts."),
        ("Traceback\nboom", "The experiment ended without a result."),
        ("", "The experiment ended without a result."),
    ],
)
def test_a_failure_says_what_and_how(said: str, first: str) -> None:
    lines = words_learning.failure(said)
    assert lines[0] == first
    assert lines[1:] == [line.strip() for line in said.splitlines()[-1:] if line.strip()] or (
        "boom" in lines
    )


def test_rows_of_another_shape_are_left_out() -> None:
    found = result("j")
    found["estimates"] = [{"subject": "x"}, 3, *found["estimates"]]
    assert len(words_learning.estimates(found)) == len(found["estimates"]) - 2
    assert words_learning.estimates({}) == []


def test_names_in_a_result_are_never_markdown(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app import loading

    version = loading.snapshot(str(store)).reads.versions["small"]
    words = ("--dataset=small", "--criterion=overall", "--repeats=4", "--unparsed=drop")
    job = Job("learn", words, str(store), version)
    job.target.parent.mkdir()
    job.target.write_text(json.dumps(result(HOSTILE)), "utf-8")
    app = check(open_app(monkeypatch, store, "learning"))
    assert any(HOSTILE in text for text in texts(app))
    assert not any(HOSTILE in element.value for element in app.markdown)
