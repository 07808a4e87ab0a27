"""A small store for the dashboard's tests: three humans, three judges, a baseline, 60 prompts."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.serve import command, wait_until_ready
from data.formats.material import COMPARISONS, LABELS, Material, table
from data.imports import import_material
from data.records import Annotator, AnnotatorKind
from data.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[1]
PROMPTS = 60
MEGABYTE, LONG = 1_000_000, "needle"  # a long text, and the word that it alone begins with
CATEGORIES = ("facts", "advice", "rare")
COSTS = {"careful": 0.004, "hasty": 0.0005}
KINDS = {
    "ann": AnnotatorKind.HUMAN,
    "bob": AnnotatorKind.HUMAN,
    "cem": AnnotatorKind.HUMAN,
    "careful": AnnotatorKind.JUDGE,
    "hasty": AnnotatorKind.JUDGE,
    "silent": AnnotatorKind.JUDGE,
    "longer": AnnotatorKind.BASELINE,
}
SIDES = ("a", "b", "tie")
HUMAN_COST, HUMAN_SECONDS = 0.4, 60.0

Texts = dict[str, str]
PLAIN: Texts = {name: f"some {name}" for name in ("prompt", "response", "rationale", "model")}


def category(item: int) -> str:
    """`rare` has too few prompts for an interval."""
    return CATEGORIES[2] if item % 10 == 9 else CATEGORIES[item % 2]


def truth(item: int) -> str:
    return SIDES[item * item % 2] if item % 11 else "tie"


def other(side: str) -> str:
    return {"a": "b", "b": "a", "tie": "a"}[side]


def human(item: int, who: int) -> str:
    """Each human differs from the others now and then; sometimes all three do."""
    side = truth(item)
    return other(side) if (item + 3 * who) % 7 == 0 else side


def judge(item: int, name: str, shown: str) -> str:
    """`hasty` takes the one shown first on every third; `silent` knows one order only."""
    if name == "hasty" and item % 3 == 0:
        return "a" if shown == "ab" else "b"
    wrong = {"careful": 8, "hasty": 5, "silent": 3, "longer": 2}[name]
    return other(truth(item)) if item % wrong == 1 else truth(item)


def make_store(
    path: Path,
    *,
    dataset: str = "small",
    simulated: bool = False,
    texts: Texts | None = None,
    names: Mapping[str, str] | None = None,
    long: bool = False,
) -> Store:
    """A store with one data set; `names` renames annotators, `texts` are put into every text.

    `long`: one comparison more, which no human has labelled, with MEGABYTE characters in each text.
    """
    said, called = texts or PLAIN, {name: (names or {}).get(name, name) for name in KINDS}
    comparisons = [_comparison(i, said) for i in range(PROMPTS)]
    labels = list(_labels(said, called))
    if long:
        much = {name: (text + " ") * -(-MEGABYTE // len(text)) for name, text in said.items()}
        comparisons.append(_comparison(PROMPTS, {**said, "prompt": f"{LONG} {much['prompt']}",
                                                 "response": much["response"]}))  # fmt: skip
        labels += [_label(PROMPTS, called[name], "ab", side, rationale=much["rationale"])
                   for name, side in (("careful", "a"), ("hasty", "b"))]  # fmt: skip
    material = Material(
        dataset=dataset,
        source="test",
        comparisons=table(comparisons, COMPARISONS),
        labels=table(labels, LABELS),
        annotators=tuple(Annotator(kind, called[name], dataset) for name, kind in KINDS.items()),
        digest=dataset,
        simulated=simulated,
    )
    store = Store(path, create=not path.exists())
    import_material(store, material)
    return store


def _comparison(item: int, said: Texts) -> dict[str, Any]:
    return {
        "item": item,
        "source_id": f"c{item}",
        "prompt": f"{said['prompt']} {item}",
        "response_a": f"{said['response']} a {item}" + " more" * (item % 3),
        "response_b": f"{said['response']} b {item}" + " more" * (item % 2),
        "model_a": f"{said['model']} a",
        "model_b": f"{said['model']} b",
        "category": said.get("category", "") + category(item),
    }


def _labels(said: Texts, called: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for item in range(PROMPTS):
        for who, name in enumerate(("ann", "bob", "cem")):
            shown = ("ab", "ba")[(item + who) % 2]
            yield _label(item, called[name], shown, human(item, who),
                         cost_usd=HUMAN_COST, seconds=HUMAN_SECONDS)  # fmt: skip
        for name in ("careful", "hasty"):
            for shown in ("ab", "ba"):
                reason = f"{said['rationale']} {name} {shown}"
                yield _label(item, called[name], shown, judge(item, name, shown),
                             cost_usd=COSTS[name], seconds=1.5, rationale=reason)  # fmt: skip
        yield _silent(item, called["silent"])
        yield _label(item, called["longer"], "ab", judge(item, "longer", "ab"), cost_usd=0.0)


def _silent(item: int, name: str) -> dict[str, Any]:
    """One order, no cost, and one reply without a verdict."""
    if item == 5:
        return {"item": item, "annotator": name, "shown": "ab", "status": "parse_error"}
    return _label(item, name, "ab", judge(item, "silent", "ab"))


def _label(item: int, name: str, shown: str, preference: str, **rest: Any) -> dict[str, Any]:
    cell = {"item": item, "annotator": name, "shown": shown, "preference": preference}
    return {**cell, **rest}


RUN = """
INSERT INTO runs BY NAME SELECT uuid() AS run_id, uuid() AS annotator_id, $judge AS judge,
    $dataset AS dataset, '{}'::JSON AS settings, 200 AS planned, 50 AS done, 2 AS failed,
    1.25 AS spent_usd, $started AS started_at, $status AS status
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """The dashboard of a store, served from a folder that holds a user's own app.py and data/."""

    def __init__(self, store: Path, folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "app.py").write_text("raise SystemExit\n", "utf-8")
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "__init__.py").write_text("raise SystemExit\n", "utf-8")
        self.port = free_port()
        self.log = folder / "log.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command(store, self.port),
                cwd=folder,
                env={**environment, "PYTHONPATH": str(ROOT), "HOME": str(folder)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until_ready(self.port)

    def url(self, view: str = "", query: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/{view}{query and '?'}{query}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def open_numbers(app: AppTest) -> AppTest:
    """The page with the tables below its figures, which come when they are opened."""
    for each in app.expander:
        if each.label == "The numbers":
            app.session_state[each.proto.id.split("-", 2)[2]] = True  # $$ID-hash-key
    return app.run()
