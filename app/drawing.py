"""Charts for the page: one is made once for the same rows, however often a page is drawn.

Making a chart takes a quarter of a second of pure Python, half of it to check the chart against its
schema. The tests check it; here it is taken as it is.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache, wraps
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import altair as alt

T = TypeVar("T")

MOST = 256

_made: OrderedDict[int, tuple[alt.TopLevelMixin, dict[str, Any]]] = OrderedDict()
_lock = Lock()


def kept(function: Callable[..., T]) -> Callable[..., T]:
    """A function from rows to a chart that remembers its charts; nobody may change them."""
    remembered = lru_cache(maxsize=MOST)(function)

    @wraps(function)
    def drawn(*arguments: Any, **named: Any) -> T:
        fixed = [tuple(each) if isinstance(each, list) else each for each in arguments]
        try:
            hash((*fixed, *named.values()))
        except TypeError:
            return function(*arguments, **named)
        return remembered(*fixed, **named)

    return drawn


def specification(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """A chart as Vega-Lite; remembered as long as the chart may be drawn again."""
    with _lock:
        found = _made.get(id(chart))
    if found is None:
        found = (chart, chart.to_dict(validate=False))
        with _lock:
            _made[id(chart)] = found
            while len(_made) > MOST:
                _made.popitem(last=False)
    return found[1]
