"""`concord demo` and `concord app`."""

from __future__ import annotations

import signal
import socket
import subprocess
from typing import TYPE_CHECKING

from app.jobs import Job, run
from app.reporting import Wanted, run_report
from app.serve import command, wait_until_ready
from app.terminal import ProgressLine, print_imported, print_labelled, say
from data import queries
from data.errors import InputError
from data.records import OVERALL
from data.store import Store
from pipelines.demo import make_demo
from pipelines.ingest import SAMPLE

if TYPE_CHECKING:
    from pathlib import Path


def run_demo(folder: Path, *, serve: bool, port: int) -> None:
    """The main job on the bundled sample, its report, and the dashboard."""
    say("Bundled sample: texts written for Concord, human labels and judges simulated.")
    with ProgressLine() as progress:
        demo = make_demo(
            folder,
            on_import=print_imported,
            on_judge=lambda name: say(f"labelling with {name} ..."),
            on_progress=progress,
            on_labelled=print_labelled,
        )
    if not demo.made:
        say(f"{demo.store} is there already; remove the folder {folder} to make it anew")
    wanted = Wanted("sample", (), (), None, "mode", "drop", "class")
    run_report(demo.store, wanted, "table", None, slices=False, wide=False)
    _experiments(demo.store)
    if serve:
        serve_app(demo.store, port)
    else:
        say(f"next: concord app --store {demo.store} --port {port}")
        say(f"      concord card sim-first --store {demo.store}   (and report, compare, plan ...)")


def _experiments(store: Path) -> None:
    """What the view Learning shows, run now and kept beside the store."""
    say("running the experiments of the view Learning ...")
    with Store(store).reading() as con:
        version = {name: seen for name, seen, _ in queries.rows(con, queries.VERSIONS)}[SAMPLE]
    of = (f"--dataset={SAMPLE}", f"--criterion={OVERALL}")
    for job in (
        Job("learn", (*of, "--repeats=4", "--unparsed=drop"), str(store), version),
        Job("best-of", of, str(store), version),
    ):
        run(job)


def serve_app(store: Path, port: int) -> None:
    """Serve the dashboard until it is interrupted."""
    with Store(store).reading():
        pass  # an upgrade is done and an error is told here, not on a page
    _check_port(port)
    process = subprocess.Popen(command(store, port))  # noqa: S603 (our own argv)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        wait_until_ready(port, process=process)
        say(f"dashboard: http://127.0.0.1:{port}   (Ctrl-C ends it)")
        process.wait()
    except KeyboardInterrupt:
        pass
    finally:
        process.terminate()
        process.wait()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                f"port {port} is in use on 127.0.0.1", f"Choose another: --port {port + 1}"
            ) from error
