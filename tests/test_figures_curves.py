"""Curves as Vega-Lite: every point is there, and names are data."""

from __future__ import annotations

from typing import Any

from app.figures_curves import Knot, Plane, curves

SHARES = Plane("stated", "observed")
FIFTHS = Plane("by how much", "chosen", ("least", "2", "most"))


def knot(name: str = "j", x: float = 0.5, y: float = 0.6, **rest: Any) -> Knot:
    fields = {
        "role": "AI",
        "low": 0.5,
        "high": 0.7,
        "text": "60% [50, 70]",
        "rests_on": "9",
        **rest,
    }
    return Knot(name=name, x=x, y=y, **fields)


def rows_of(drawn: dict[str, Any]) -> list[dict[str, Any]]:
    return list(max(drawn["datasets"].values(), key=len))


def layer(drawn: dict[str, Any], mark: str) -> list[dict[str, Any]]:
    return [each for each in drawn["layer"] if each["mark"]["type"] == mark]


def test_every_point_is_there_with_its_interval() -> None:
    drawn = dict(curves([knot(x=0.2), knot(x=0.5, low=None, high=None), knot(x=0.8)],
                        SHARES).to_dict())  # fmt: skip
    assert [row["x"] for row in rows_of(drawn)] == [0.2, 0.5, 0.8]
    assert rows_of(drawn)[1]["low"] is None
    [rule] = layer(drawn, "rule")
    assert rule["encoding"]["y2"]["field"] == "high"
    assert "isValid(datum.low)" in str(rule["transform"])


def test_two_sources_stand_beside_each_other_not_over_each_other() -> None:
    drawn = dict(curves([knot(name, x) for x in (1, 2) for name in "hj"], FIFTHS).to_dict())
    one, other, *_ = (row["x"] for row in rows_of(drawn))
    assert one < 1 < other
    assert other - one < 0.2


def test_the_reference_is_the_diagonal_of_shares_and_half_of_places() -> None:
    for plane, ends in ((SHARES, [0.0, 1.0]), (FIFTHS, [0.5, 0.5])):
        drawn = dict(curves([knot(x=k) for k in (1, 2, 3)], plane).to_dict())
        line = [rows for rows in drawn["datasets"].values() if len(rows) == 2]
        assert [row["y"] for row in line[0]] == ends


def test_untrusted_names_are_data_only() -> None:
    name = "x'], datum.y + alert(1)//"
    drawn = dict(curves([knot(name), knot(name, 0.7), knot(name, 0.9)], SHARES).to_dict())
    outside = {key: value for key, value in drawn.items() if key != "datasets"}
    assert name not in str(outside)
    assert {row["name"] for row in rows_of(drawn)} == {name}
