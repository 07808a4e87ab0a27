from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest

from app import figures, tables, theme
from app.figures import Axis
from app.tables import Dot, Pair, Spot
from tests.dashboards import ROOT


def dot(name: str = "j", value: float | None = 0.6, **rest: Any) -> Dot:
    interval = {"low": 0.55, "high": 0.65} if value is not None else {"low": None, "high": None}
    fields = {"role": "AI", **interval, "text": "60% [55, 65]", "n": 40, "rests_on": "40", **rest}
    return Dot(name=name, value=value, **fields)


def spec(chart: Any) -> dict[str, Any]:
    """The chart as validated Vega-Lite."""
    return dict(chart.to_dict())


def data_of(drawn: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the chart's largest table."""
    return list(max(drawn["datasets"].values(), key=len))


def domain_of(drawn: dict[str, Any]) -> list[float]:
    found = [layer["encoding"]["x"] for layer in drawn["layer"]]
    return list(next(x["scale"]["domain"] for x in found if "scale" in x))


def ticks_of(drawn: dict[str, Any]) -> list[float]:
    found = [layer["encoding"]["x"] for layer in drawn["layer"]]
    return list(next(x["axis"]["values"] for x in found if x.get("axis")))


def test_figures_do_not_import_streamlit() -> None:
    code = "import sys, app.figures; sys.exit('streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_dots_hold_every_row_and_its_figures() -> None:
    rows = [dot("a"), dot("b", None, text="not known", n=0, rests_on="why")]
    drawn = spec(figures.dots(rows, Axis("agreement")))
    first, second = data_of(drawn)
    assert first["name"] == "a"
    assert first["figures"] == "60% [55, 65] · n 40"
    assert second["figures"] == "not known"
    assert second["value"] is None
    assert second["rests"] == "why"
    assert drawn["height"] > figures.ROW * 2


def test_untrusted_names_are_data_only() -> None:
    name = "datum.value] <img src=x>"
    drawn = spec(figures.dots([dot(name)], Axis("agreement")))
    assert name in json.dumps(drawn["datasets"], ensure_ascii=False)
    assert name not in json.dumps({k: v for k, v in drawn.items() if k != "datasets"})


@pytest.mark.parametrize(
    ("low", "high", "domain", "ticks"),
    [
        (0.53, 0.60, [0.45, 0.7], [0.45, 0.5, 0.55, 0.6, 0.65, 0.7]),
        (0.01, 0.99, [0.0, 1.0], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.9, 1.0, [0.85, 1.0], [0.85, 0.9, 0.95, 1.0]),
    ],
)
def test_axes_are_round_and_hold_everything(
    low: float, high: float, domain: list[float], ticks: list[float]
) -> None:
    drawn = spec(figures.dots([dot(value=(low + high) / 2, low=low, high=high)], Axis("share")))
    assert domain_of(drawn) == domain
    assert ticks_of(drawn) == ticks


def test_differences_are_drawn_in_points_around_zero() -> None:
    row = dot(value=0.04, low=0.01, high=0.07)
    axis = Axis("points", unit="share difference", zero=0.0)
    drawn = spec(figures.dots([row], axis))
    assert data_of(drawn)[0]["value"] == pytest.approx(4.0)
    low, high = domain_of(drawn)
    assert low < 0 < 7 <= high


def test_a_log_axis_leaves_nothing_out_but_zero() -> None:
    rows = [dot("a", 500.0, low=490.0, high=510.0), dot("free", 0.0, low=None, high=None)]
    drawn = spec(figures.dots(rows, Axis("cost", unit="usd", log=True)))
    assert [row["value"] for row in data_of(drawn)] == [500.0, None]
    assert domain_of(drawn) == [100.0, 1000.0]
    nothing = spec(figures.dots(rows[1:], Axis("cost", unit="usd", log=True)))
    assert domain_of(nothing) == [1.0, 10.0]


def test_a_band_has_its_name_only_where_there_is_one() -> None:
    axis = Axis("agreement", band_title="two humans")
    with_band = spec(figures.dots([dot(band=(0.5, 0.54))], axis))
    assert "two humans" in json.dumps(with_band["datasets"])
    assert data_of(with_band)[0]["band_low"] == 0.5
    without = spec(figures.dots([dot()], axis))
    assert "two humans" not in json.dumps(without["datasets"])


def test_every_colour_is_a_role_of_the_theme() -> None:
    drawn = spec(figures.dots([dot(band=(0.5, 0.5))], Axis("a", zero=0.5, band_title="b")))
    scales = [
        layer["encoding"]["color"]["scale"]
        for layer in drawn["layer"]
        if "color" in layer["encoding"]
    ]
    assert scales
    assert all(scale == {"domain": list(theme.ROLES)} for scale in scales)
    assert "#" not in json.dumps(drawn["layer"])


def test_what_a_screen_reader_says_is_words() -> None:
    drawn = spec(figures.dots([dot(band=(0.5, 0.6))], Axis("a", zero=0.5, band_title="b")))
    spoken = [layer for layer in drawn["layer"] if layer["mark"].get("aria") is not False]
    assert {layer["mark"]["type"] for layer in spoken} == {"point"}
    assert all(layer["encoding"]["description"]["field"] == "spoken" for layer in spoken)
    assert data_of(drawn)[0]["spoken"] == "j: 60% [55, 65]"


def test_matrix_draws_both_halves_and_no_minus_zero() -> None:
    pairs = [Pair(0, 1, -0.001, "0.00", "40"), Pair(1, 0, -0.001, "0.00", "40"),
             Pair(0, 0, None, "not known", "")]  # fmt: skip
    drawn = spec(figures.matrix(["one", "two"], pairs, "kappa"))
    rows = data_of(drawn)
    assert [row["figure"] for row in rows] == ["0.00", "0.00", ""]
    assert [(row["first"], row["second"]) for row in rows[:2]] == [
        ("1 · one", "2"),
        ("2 · two", "1"),
    ]


def test_matrix_grows_with_its_annotators() -> None:
    names = [f"judge {k}" for k in range(31)]
    pairs = [Pair(i, j, 0.5, "0.50", "5") for i in range(31) for j in range(31) if i != j]
    drawn = spec(figures.matrix(names, pairs, "kappa"))
    assert drawn["width"] > 31 * figures.CELL[0]
    assert drawn["height"] > 31 * figures.CELL[1]


def test_scatter_keeps_names_apart() -> None:
    spots = [Spot(f"j{k}", "AI", 1.0 + k, 0.6, 0.58, 0.62, "$1", "60%") for k in range(4)]
    drawn = spec(figures.scatter(spots, ("cost", "agreement")))
    places = sorted(row["place"] for row in data_of(drawn))
    gaps = [after - before for before, after in pairwise(places)]
    assert min(gaps) > 0.005


# ---- theme


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_words_and_marks_stand_out(mode: str) -> None:
    options = theme.options()
    ground = options[f"theme.{mode}.backgroundColor"]
    for name in ("textColor", "blueTextColor", "orangeTextColor", "grayTextColor", "linkColor"):
        assert contrast(options[f"theme.{mode}.{name}"], ground) >= 4.5
    roles = dict(zip(theme.ROLES, json.loads(options[f"theme.{mode}.chartCategoricalColors"]),
                     strict=True))  # fmt: skip
    for role in ("human", "AI", "baseline"):
        assert contrast(roles[role], ground) >= 3
    for role in ("ink", "muted"):
        assert contrast(roles[role], ground) >= 4.5
        assert contrast(roles[role], roles["band"]) >= 4.5
    for step in json.loads(options[f"theme.{mode}.chartSequentialColors"]):
        assert contrast(roles["ink"], step) >= 4.5
    assert contrast("#FFFFFF", options[f"theme.{mode}.primaryColor"]) >= 4.5


def test_humans_and_ai_have_their_colours() -> None:
    first, second = json.loads(theme.options()["theme.light.chartCategoricalColors"])[:2]
    assert (first, second) == ("#0072B2", "#D55E00")


# ---- files


def test_a_file_holds_no_formula() -> None:
    rows = [
        {"=Name": text, "n": number}
        for text, number in (
            ("=1+1", -5),
            ("+a", 1.5),
            ("-b", None),
            ("@c", 0),
            ("\td", 1),
            ("\re", 2),
            ("f=g", 3),
        )
    ]
    text = tables.csv_text(rows)
    assert text.splitlines()[0] == "'=Name,n"
    cells = [row["=Name"] for row in rows]
    assert [tables.plain(cell) for cell in cells] == [f"'{c}" for c in cells[:-1]] + ["f=g"]
    assert "'=1+1,-5" in text
    assert tables.csv_text([]) == ""


def test_file_names_are_plain() -> None:
    assert tables.file_name("concord", "../x y/ü", "agreement") == "concord-x-y-agreement.csv"
