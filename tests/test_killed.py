"""A long run with faults of every kind, killed ten times: nothing lost, nothing paid twice."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

from judges.simulated import Behaviour, running
from tests.provider import answered, concord, judge_file, make_store, truth

ROOT = Path(__file__).parents[1]
N, CONCURRENCY, KILLS = 2000, 64, 10
ROUNDING = 1e-9  # of a dollar
FAULTY = Behaviour(
    latency_seconds=0.05,
    rate_limit=0.05,
    retry_after_seconds=0.05,
    server_error=0.05,
    drop=0.05,
    malformed=0.05,
    off_menu=0.03,
    refusal=0.03,
    truncated=0.02,
    slow=0.02,
)


def rows(store, sql):
    with store.reading() as con:
        return con.execute(sql).fetchall()


def price_of(lines):
    return sum(line.prompt_tokens + 4 * line.completion_tokens for line in lines) / 1e6


def kill_after(process, seconds):
    """SIGKILL to the whole group unless it ended before."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def test_killed_ten_times_at_random_moments_with_a_third_of_all_calls_failing(tmp_path):
    store = make_store(tmp_path / "s.duckdb", N)
    moments = random.Random(7)
    log = tmp_path / "log.jsonl"
    with running(truth(N), {"m": FAULTY}, log=log) as provider:
        path = judge_file(tmp_path, provider.base_url)
        path.write_text(f'transport = "direct"\n{path.read_text()}')
        command = concord("label", "--store", store.path, "--judge", path)
        command += ["--concurrency", str(CONCURRENCY)]
        kills = 0
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            process = subprocess.Popen(
                command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True
            )
            longest = moments.uniform(0.8, 3.5) if kills < KILLS else 120
            killed = kill_after(process, longest)
            kills += killed
            if not killed and process.returncode == 0:
                break
        assert process.returncode == 0
        lines = list(provider.log())
    assert kills >= KILLS
    statuses = dict(
        rows(
            store,
            "SELECT labels.status, count(*) FROM labels JOIN annotators USING (annotator_id) "
            "WHERE kind = 'judge' GROUP BY ALL",
        )
    )
    assert sum(statuses.values()) == 2 * N
    assert statuses["ok"] > 0.8 * 2 * N
    unexplained = "SELECT count(*) FROM labels WHERE status <> 'ok' AND details->>'reason' IS NULL"
    assert rows(store, unexplained) == [(0,)]
    again = sum(times - 1 for times in answered(lines).values())
    assert again <= KILLS * CONCURRENCY
    paid = [line for line in lines if line.answered]
    [(n_replies, spent)] = rows(store, "SELECT count(*), sum(paid_usd) FROM replies")
    maybe_sql = "SELECT count(*), coalesce(sum(most_usd), 0) FROM possibly_paid"
    [(n_maybe, maybe)] = rows(store, maybe_sql)
    assert 0 <= len(paid) - n_replies <= n_maybe
    # Sums of floats depend on their order, which no query promises: equal but for that.
    assert -ROUNDING <= price_of(paid) - spent <= maybe + ROUNDING
    [(of_runs,)] = rows(store, "SELECT sum(spent_usd) FROM runs")
    assert abs(of_runs - spent) <= ROUNDING
