"""`python -m judges.simulated`: the simulated provider by hand."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from data.errors import ConcordError, InputError
from judges.simulated.behaviour import EXAMPLES, read_behaviours
from judges.simulated.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterator


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to end; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _serve(options)
    except ConcordError as error:
        sys.stderr.write(f"{error.what}\n{error.fix}".rstrip() + "\n")
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m judges.simulated", description=__doc__)
    parser.add_argument(
        "--truth", required=True, help='JSON lines of {"text": ..., "quality": ...}'
    )
    parser.add_argument(
        "--behaviours", help=f"JSON object by model name; else {', '.join(EXAMPLES)}"
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--log", help="append a JSON line per request to this file")
    parser.add_argument("--require-key", help="refuse requests without this bearer token")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when stdin is closed")
    return parser


def _serve(options: argparse.Namespace) -> None:
    from judges.simulated.provider import Provider
    from judges.simulated.server import serve

    behaviours = read_behaviours(options.behaviours) if options.behaviours else EXAMPLES
    truth = Truth.read(options.truth)
    with _log(options.log) as log:
        provider = Provider(truth, behaviours, log, options.require_key)
        asyncio.run(serve(provider, options.port, end_with_stdin=options.end_with_stdin))


@contextmanager
def _log(path: str | None) -> Iterator[IO[str] | None]:
    if path is None:
        yield None
        return
    try:
        file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"cannot write the log {path}: {error}") from error
    with file:
        yield file


if __name__ == "__main__":
    sys.exit(main())
