"""How the dashboard is started: the argv of its server, and waiting until it answers."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from app import theme
from data.errors import ConcordError

if TYPE_CHECKING:
    import subprocess

ADDRESS = "127.0.0.1"
DASHBOARD = Path(__file__).with_name("dashboard.py")
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.1


def command(store: Path, port: int, headless: bool = True) -> list[str]:
    """The argv that serves the dashboard of `store` on 127.0.0.1.

    `-P` keeps the current folder off the module path, so that a user's own `app.py` or `data/`
    is not taken for ours. Options given here win over any `.streamlit/config.toml`.
    """
    options = {
        "server.address": ADDRESS,
        "server.port": str(port),
        "server.headless": "true" if headless else "false",
        "server.fileWatcherType": "none",
        "server.baseUrlPath": "",
        "server.enableStaticServing": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "client.disableDataExport": "true",  # our own download guards a spreadsheet's formulas
        **theme.options(),
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    script = [sys.executable, "-P", "-m", "app.server", "run", str(DASHBOARD.resolve())]
    return [*script, *flags, "--", "--store", str(Path(store).resolve())]


def wait_until_ready(
    port: int, seconds: float = WAIT_SECONDS, process: subprocess.Popen[bytes] | None = None
) -> None:
    """Return as soon as the server answers.

    Raises ConcordError where it does not in time, or where its `process` has ended.
    """
    deadline = time.monotonic() + seconds
    while not _answers(port):
        if process is not None and process.poll() is not None:
            raise ConcordError(
                "the dashboard ended before it answered",
                "Its own messages above say why; concord doctor checks the installation.",
            )
        if time.monotonic() >= deadline:
            raise ConcordError(
                f"the dashboard did not answer on port {port} within {seconds:.0f} s",
                "Its own messages above say why; concord doctor checks the installation.",
            )
        time.sleep(POLL_SECONDS)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(POLL_SECONDS)
        if probe.connect_ex((ADDRESS, port)):
            return False
    try:
        with urlopen(f"http://{ADDRESS}:{port}/_stcore/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except (URLError, OSError):
        return False
