"""The dashboard's server: Streamlit, which meanwhile reads what the first view shows."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
import threading
from pathlib import Path

if __name__ == "__main__":  # Ctrl-C ends what is still importing at once, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from app import apart, first_view, loading
from data.errors import ConcordError

LARGE_BYTES = 10_000_000  # of a store that may hold a data set which is read by another process


def warm(store: str) -> None:
    """Read what a first visitor sees; where that fails the page says why."""
    try:
        reader = loading.first_reader(store)
        if reader is not None:
            first_view.read(reader)
    except ConcordError:
        return


def main() -> None:
    """Serve: the arguments are those of streamlit."""
    store = Path(loading.store_path())
    if store.exists() and store.stat().st_size >= LARGE_BYTES:
        apart.start()
    thread = threading.Thread(target=warm, args=(str(store),), daemon=True)
    thread.start()
    atexit.register(thread.join)  # a process may not end amid a query
    from streamlit.web import bootstrap  # noqa: F401 (which it would import later)
    from streamlit.web.cli import main as streamlit

    from app.views import overview  # noqa: F401 (a second, which the first visitor would wait for)

    gc.collect()
    gc.freeze()  # Streamlit collects after each run of a page: this much is not looked at again
    atexit.register(gc.unfreeze)  # what is left at the end would be called a leak
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[0] = "streamlit"
    streamlit()


if __name__ == "__main__":
    main()
