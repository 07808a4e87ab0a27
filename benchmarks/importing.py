"""Import of 1,000,000 labels from CSV: seconds and peak memory, beside reading the file alone.

Run: python benchmarks/importing.py [--labels 1000000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
READ = "import sys; from pyarrow import csv; csv.read_csv(sys.argv[1])"
IMPORT = """
import sys
from pathlib import Path
from data.store import Store
from pipelines.ingest import ingest
print(ingest(Store(Path(sys.argv[2]), create=True), "csv", Path(sys.argv[1])))
"""


def write_csv(path: Path, labels: int) -> None:
    """Five annotators a comparison, short texts, seconds and price."""
    with path.open("w") as file:
        file.write("source_id,prompt,response_a,response_b,category,annotator,preference,shown,"
                   "seconds,cost_usd\n")  # fmt: skip
        for k in range(labels):
            item = k // 5
            texts = f"prompt {item // 3} asks for something,a says {item},b says {item} more"
            file.write(f"s{item},{texts},c{item % 7},ann{k % 5},{'ab'[(item * k) % 2]},"
                       f"{('ab', 'ba')[k % 2]},{k % 90}.5,0.4\n")  # fmt: skip


def measure(code: str, *arguments: object) -> tuple[float, float]:
    """Seconds and peak MB of a process."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("the import failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path, store = Path(name) / "labels.csv", Path(name) / "s.duckdb"
        write_csv(path, options.labels)
        print(f"import: {options.labels:,} labels, {path.stat().st_size / 1e6:.0f} MB of CSV")
        rows = {
            "read the CSV (pyarrow)": measure(READ, path),
            "concord import": measure(IMPORT, path, store),
            "the same file again": measure(IMPORT, path, store),
        }
        print(f"{'':26}{'seconds':>9}{'peak MB':>10}{'ratio':>8}")
        for what, (seconds, megabytes) in rows.items():
            ratio = seconds / rows["read the CSV (pyarrow)"][0]
            print(f"{what:26}{seconds:>9.1f}{megabytes:>10.0f}{ratio:>8.1f}")
        print("wanted: concord import < 20 s and < 2,000 MB")


if __name__ == "__main__":
    main()
