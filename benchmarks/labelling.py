"""What a labelling run costs beside a bare litellm loop on the same server, in the same run.

Run: python benchmarks/labelling.py [--labels 2000] [--rounds 3] [--concurrency 64]
A local server answers every request after 200 ms. Both sides run in processes of their own, in
turns; calls/s are taken from the server's log, from the first request to the last.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from judges.simulated import Behaviour, Truth, running  # noqa: E402
from tests.provider import concord, judge_file, make_store  # noqa: E402

BARE = """
import asyncio, json, sys
from judges.litellm_client import load_litellm
litellm = load_litellm()
base, labels, concurrency = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
prompts = json.load(open(sys.argv[4]))
async def main():
    todo = iter(prompts[:labels])
    async def worker():
        for messages in todo:
            await litellm.acompletion(model="openai/m", messages=messages, api_base=base,
                                      api_key="x", temperature=0, max_tokens=200,
                                      max_retries=0, num_retries=0)
    await asyncio.gather(*(worker() for _ in range(concurrency)))
asyncio.run(main())
"""


def rate(lines: list) -> float:
    """Calls per second from the first request to the last."""
    times = [line.at for line in lines]
    return len(times) / (max(times) - min(times))


def prompts_of(store, judge_path: Path, target: Path, labels: int) -> None:
    """The messages that the judge would send, so that both sides send the same."""
    import json
    from uuid import UUID

    from data.queries import page_to_label
    from data.records import Shown
    from judges.config import read_judge

    judge = read_judge(judge_path)
    with store.reading() as con:
        page = page_to_label(
            con, dataset="d", annotator_id=judge.annotator().annotator_id, criterion="overall",
            after=UUID(int=0), size=labels,
        )  # fmt: skip
    messages = [
        [
            {"role": m.role, "content": m.content}
            for m in judge.request(c.comparison, s, "x").messages
        ]
        for c in page
        for s in Shown
    ]
    target.write_text(json.dumps(messages))


def measure(folder: Path, side: str, labels: int, concurrency: int) -> float:
    """One run of one side against a server of its own."""
    with running(Truth([]), {"m": Behaviour(constant="first", latency_seconds=0.2)}) as provider:
        path = judge_file(folder, provider.base_url)
        store_path = folder / f"{side}.duckdb"
        for old in folder.glob(f"{side}.duckdb*"):
            if old.is_file():
                old.unlink()
        store = make_store(store_path, labels // 2)
        if side == "concord":
            command = concord("label", "--store", store_path, "--judge", path,
                              "--concurrency", concurrency)  # fmt: skip
        else:
            prompts_of(store, path, folder / "prompts.json", labels)
            command = [sys.executable, "-c", BARE, provider.base_url, str(labels),
                       str(concurrency), str(folder / "prompts.json")]  # fmt: skip
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        return rate(list(provider.log()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {"bare litellm": [], "concord": []}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(options.rounds):
            for side in rates:
                rates[side].append(measure(Path(name), side, options.labels, options.concurrency))
    print(f"labelling: {options.labels:,} calls, {options.concurrency} concurrent, 200 ms server")
    print(f"{'':14}{'calls/s (median)':>18}   runs")
    for side, found in rates.items():
        runs = " ".join(f"{value:.0f}" for value in found)
        print(f"{side:14}{statistics.median(found):>18.1f}   {runs}")
    ratio = statistics.median(rates["concord"]) / statistics.median(rates["bare litellm"])
    print(f"ratio concord / bare: {ratio:.2f}   (wanted: >= 0.90)")


if __name__ == "__main__":
    main()
