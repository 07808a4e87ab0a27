"""What a labelling run costs beside the bare clients on the same server, in the same run.

Run: python benchmarks/labelling.py [--rounds 5] [--labels 2000] [--memory]
A local server answers every request after 200 ms. All sides run in processes of their own, in
turns; calls/s are taken from the server's log, from the first request to the last; a ratio is
the median of the rounds' own ratios, as a machine's speed changes between rounds. `--memory`
labels 100,000 comparisons instead and prints the largest process. alpaca_eval, inspect_ai and
distilabel run too where they are installed: beside Concord, or for the interpreters that `--peers`
names, as some of them need other versions of the openai package.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not this folder: its statistics.py is none of the standard library's

import statistics  # noqa: E402

from judges.config import read_judge  # noqa: E402
from judges.simulated import Behaviour, Truth, running  # noqa: E402
from judges.task import Task  # noqa: E402
from pipelines.tasks import LabelOptions, Pages  # noqa: E402
from tests.provider import concord, judge_file, make_store  # noqa: E402

if TYPE_CHECKING:
    from data.store import Store

LITELLM = """
import asyncio, json, os, sys
os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_MODE="PRODUCTION")
import litellm
litellm.suppress_debug_info = True
base, concurrency, prompts = sys.argv[1], int(sys.argv[2]), json.load(open(sys.argv[3]))
async def main():
    todo = iter(prompts)
    async def worker():
        for messages in todo:
            await litellm.acompletion(model="openai/m", messages=messages, api_base=base,
                                      api_key="x", temperature=0, max_tokens=200,
                                      max_retries=0, num_retries=0)
    await asyncio.gather(*(worker() for _ in range(concurrency)))
asyncio.run(main())
"""
AIOHTTP = """
import aiohttp, asyncio, json, sys
base, concurrency, prompts = sys.argv[1], int(sys.argv[2]), json.load(open(sys.argv[3]))
async def main():
    todo = iter(prompts)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async def worker():
            for messages in todo:
                body = {"model": "m", "messages": messages, "temperature": 0, "max_tokens": 200}
                async with session.post(base + "/chat/completions", json=body) as answer:
                    await answer.json()
        await asyncio.gather(*(worker() for _ in range(concurrency)))
asyncio.run(main())
"""
INSPECT = """
import json, os, sys
base, concurrency, prompts = sys.argv[1], int(sys.argv[2]), json.load(open(sys.argv[3]))
os.environ.update(OPENAI_API_KEY="x", OPENAI_BASE_URL=base)
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
samples = [Sample(input=messages[-1]["content"]) for messages in prompts]
eval(Task(dataset=MemoryDataset(samples)), model="openai/m", display="none", log_dir=sys.argv[4],
     max_connections=concurrency, max_tokens=200, temperature=0,
     model_args={"responses_api": False})
"""
DISTILABEL = """
import json, sys
base, concurrency, prompts = sys.argv[1], int(sys.argv[2]), json.load(open(sys.argv[3]))
from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration
with Pipeline() as pipeline:
    rows = [{"instruction": messages[-1]["content"]} for messages in prompts]
    load = LoadDataFromDicts(data=rows, batch_size=concurrency)
    ask = TextGeneration(llm=OpenAILLM(model="m", base_url=base, api_key="x",
                         generation_kwargs={"max_new_tokens": 200}), input_batch_size=concurrency)
    load >> ask
pipeline.run(use_cache=False)
"""
ALPACA = """
import json, os, sys
base, concurrency, prompts = sys.argv[1], int(sys.argv[2]), json.load(open(sys.argv[3]))
os.environ.update(OPENAI_API_KEY="x", OPENAI_BASE_URL=base)
from alpaca_eval.decoders.openai import openai_completions
chat = "<|im_start|>user\\n{}\\n<|im_end|>"
openai_completions([chat.format(messages[-1]["content"]) for messages in prompts], model_name="m",
                   max_tokens=200, num_procs=concurrency, is_strip=False)
"""


@dataclass(frozen=True)
class Side:
    """One program: a script for bare clients and peers, options of `concord label` for ours."""

    name: str
    concurrency: int
    factor: int = 1
    script: str = ""
    options: tuple[str, ...] = ()
    transport: str = "litellm"
    needs: str = ""


SIDES = (
    Side("bare litellm", 64, script=LITELLM),
    Side("concord", 64),
    Side("concord, 1 worker, 256 calls", 256),
    Side("concord, 2 workers, 256 calls", 256, 2, options=("--workers", "2")),
    Side("raw aiohttp", 256, 4, script=AIOHTTP),
    Side("concord direct", 256, 4, transport="direct"),
    Side("alpaca_eval", 64, script=ALPACA, needs="alpaca_eval"),
    Side("inspect_ai", 64, script=INSPECT, needs="inspect_ai"),
    Side("distilabel", 64, script=DISTILABEL, needs="distilabel"),
)
RATIOS = (
    ("concord", "bare litellm", 0.95),
    ("concord, 2 workers, 256 calls", "concord, 1 worker, 256 calls", 1.6),
    ("concord direct", "raw aiohttp", 0.6),
)


def prompts_of(store: Store, judge_path: Path, target: Path) -> None:
    """The messages that the judge would send, so that all sides send the same."""
    judge, found = read_judge(judge_path), []
    pages = Pages(judge, UUID(int=0), LabelOptions("d"))
    while (tasks := pages.read(store)) is not None:
        for task in tasks:
            asking = judge.asking(
                Task(task.comparisons, task.shown), "x", {judge.name: UUID(int=0)}
            )
            found += [
                [{"role": m.role, "content": m.content} for m in request.messages]
                for request in asking.needed({})
            ]
    target.write_text(json.dumps(found))


def interpreter_of(side: Side, peers: list[str]) -> str | None:
    """The Python that runs a side's script; None where a peer is installed for none."""
    if not side.needs or importlib.util.find_spec(side.needs):
        return sys.executable
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({side.needs!r}) is None)"
    return next(
        (p for p in peers if not subprocess.run([p, "-c", look], check=False).returncode), None
    )


def measure(folder: Path, side: Side, labels: int, python: str) -> float:
    """Calls per second of one run of one side against a server of its own."""
    behaviour = Behaviour(constant="Verdict: 1", latency_seconds=0.2)
    with (
        tempfile.TemporaryDirectory(dir=folder) as name,
        running(Truth([]), {"m": behaviour}) as provider,
    ):
        place = Path(name)
        path = judge_file(place, provider.base_url)
        if side.transport != "litellm":
            path.write_text(f'transport = "{side.transport}"\n{path.read_text()}')
        store = make_store(place / "s.duckdb", labels * side.factor // 2)
        if side.script:
            prompts_of(store, path, place / "prompts.json")
            arguments = (provider.base_url, side.concurrency, place / "prompts.json", place)
            command = [python, "-c", side.script, *map(str, arguments)]
        else:
            command = concord("label", "--store", store.path, "--judge", path, *side.options,
                              "--concurrency", side.concurrency)  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
        if done.returncode:
            raise SystemExit(f"{side.name} failed:\n{(done.stdout + done.stderr).decode()[-2000:]}")
        times = [line.at for line in provider.log()]
    return len(times) / (max(times) - min(times))


def measure_memory(folder: Path, n: int) -> None:
    """The largest process of runs over n comparisons, in megabytes."""
    behaviour = Behaviour(constant="Verdict: 1")
    for transport, limit in (("direct", n), ("litellm", n // 10)):
        with running(Truth([]), {"m": behaviour}) as provider:
            path = judge_file(folder, provider.base_url, orders="ab")
            path.write_text(f'transport = "{transport}"\n{path.read_text()}')
            store = make_store(folder / f"{transport}.duckdb", n)
            command = concord("label", "--store", store.path, "--judge", path, "--limit", limit,
                              "--concurrency", 256)  # fmt: skip
            done = subprocess.run(MEASURED + command, cwd=ROOT, check=True, capture_output=True)
            megabytes = int(done.stdout.split()[-1]) / 1e3
        print(
            f"{transport}: {limit:,} labels, {n:,} comparisons: {megabytes:.0f} MB (wanted: < 400)"
        )


MEASURED = [sys.executable, "-c", """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[""], help="sides whose names contain one")
    parser.add_argument("--peers", nargs="*", default=[], help="interpreters that have them")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.memory:
            measure_memory(Path(name), 100_000)
            return
        wanted = [side for side in SIDES if any(word in side.name for word in options.only)]
        sides = {side: interpreter_of(side, options.peers) for side in wanted}
        rates: dict[str, list[float]] = {side.name: [] for side in wanted if sides[side]}
        for turn in range(options.rounds):
            # every other round backwards: a machine that slows down favours no side
            for side, python in list(sides.items())[:: -1 if turn % 2 else 1]:
                if python is not None:
                    rates[side.name].append(measure(Path(name), side, options.labels, python))
    print(f"labelling: {options.labels:,} calls or more, server answers after 200 ms")
    print(f"{'':32}{'calls/s (median)':>18}   runs")
    for side_name, found in rates.items():
        runs = " ".join(f"{value:.0f}" for value in found)
        print(f"{side_name:32}{statistics.median(found):>18.1f}   {runs}")
    for ours, theirs, wanted in RATIOS:
        if ours in rates and theirs in rates:
            pairs = zip(rates[ours], rates[theirs], strict=True)
            ratios = sorted(a / b for a, b in pairs)
            runs = " ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"{ours} / {theirs}: {statistics.median(ratios):.2f}   "
                  f"(wanted: >= {wanted:.2f}; rounds: {runs})")  # fmt: skip


if __name__ == "__main__":
    main()
