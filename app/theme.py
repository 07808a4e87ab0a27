"""Colours and type of the dashboard, light and dark, as Streamlit's own options.

Charts take their colours from the theme too: the entries of `chartCategoricalColors` are the ROLES
in order, and a chart's colour scale has the roles as its domain. So a chart follows the theme.
"""

from __future__ import annotations

import json
from typing import Any

ROLES = ("human", "AI", "baseline", "ink", "muted", "band", "line")

HUMAN, HUMAN_DARK = "#0072B2", "#56AEE6"
AI, AI_DARK = "#D55E00", "#F28C4B"
AI_TEXT = "#B34700"  # the same hue, dark enough for words on white (5.5:1)

_LIGHT = {
    "backgroundColor": "#FFFFFF",
    "secondaryBackgroundColor": "#F4F5F6",
    "textColor": "#1C2430",
    "primaryColor": "#34495E",
    "borderColor": "#E1E4E8",
    "dataframeBorderColor": "#ECEEF0",
    "dataframeHeaderBackgroundColor": "#FFFFFF",
    "codeBackgroundColor": "#F4F5F6",
    "codeTextColor": "#1C2430",
    "linkColor": "#34495E",
    "blueTextColor": HUMAN,
    "orangeTextColor": AI_TEXT,
    "grayTextColor": "#5B6472",
}
_DARK = {
    "backgroundColor": "#12161B",
    "secondaryBackgroundColor": "#1B2128",
    "textColor": "#E6E9ED",
    "primaryColor": "#587490",
    "borderColor": "#2B333D",
    "dataframeBorderColor": "#232A32",
    "dataframeHeaderBackgroundColor": "#12161B",
    "codeBackgroundColor": "#1B2128",
    "codeTextColor": "#E6E9ED",
    "linkColor": "#A9BCCF",
    "blueTextColor": HUMAN_DARK,
    "orangeTextColor": AI_DARK,
    "grayTextColor": "#9AA4B1",
}
_LIGHT_CHART = (HUMAN, AI, "#868E99", "#1C2430", "#5B6472", "#DCEBF5", "#C9CED5")
_DARK_CHART = (HUMAN_DARK, AI_DARK, "#8A93A0", "#E6E9ED", "#9AA4B1", "#1C3447", "#3A444F")
# Ten steps for kappa: light enough, or dark enough, for the ink on every one of them.
_LIGHT_STEPS = (
    "#FAFBFB", "#F1F4F6", "#E8EDF1", "#DEE6EB", "#D4DEE6",
    "#CAD7E0", "#C0CFDA", "#B6C7D5", "#ABBFCF", "#A1B8CA",
)  # fmt: skip
_DARK_STEPS = (
    "#161B21", "#1A2129", "#1F2831", "#242F3A", "#293642",
    "#2E3D4B", "#334454", "#384B5D", "#3D5266", "#42596F",
)  # fmt: skip
_SHARED = {
    "font": "sans-serif",
    "baseFontSize": 16,
    "baseRadius": "0.375rem",
    "showWidgetBorder": True,
    "linkUnderline": True,
    "headingFontWeights": [600, 600, 600],
    "headingFontSizes": ["1.625rem", "1.125rem", "1rem"],
    "codeFontSize": "0.8125rem",
}


def options() -> dict[str, str]:
    """Every theme option, by its name in Streamlit's configuration, as a command line writes it."""
    sections: dict[str, dict[str, Any]] = {
        "theme": _SHARED,
        "theme.light": _section(_LIGHT, _LIGHT_CHART, _LIGHT_STEPS),
        "theme.dark": _section(_DARK, _DARK_CHART, _DARK_STEPS),
    }
    return {
        f"{section}.{name}": value if isinstance(value, str) else json.dumps(value)
        for section, values in sections.items()
        for name, value in values.items()
    }


def _section(
    colours: dict[str, str], chart: tuple[str, ...], steps: tuple[str, ...]
) -> dict[str, Any]:
    return {
        **colours,
        "chartCategoricalColors": list(chart),
        "chartSequentialColors": list(steps),
    }
