"""Preference pairs as a folder that Hugging Face `datasets` reads: Parquet files and a card.

`load_dataset("FOLDER")` finds the splits by the card and the types in the files themselves; that
library is not needed to write them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from data.errors import InputError
from pipelines.export import write_bytes, write_table
from pipelines.sections.view import UnparsedRule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

    from pipelines.training import Pairs

CARD = "README.md"
MARK = "`concord export --pairs`"
SPLITS = ("train", "test")
COLUMNS = {
    "prompt": "string", "chosen": "string", "rejected": "string", "margin": "float64",
    "source": "string", "comparison_id": "string",
}  # fmt: skip
ABOUT = {
    "prompt": "the prompt's text",
    "chosen": "the response that is preferred",
    "rejected": "the other one",
    "margin": "how far the labels are from a tie: 1 where all choose the same",
    "source": "whose label it is",
    "comparison_id": "the comparison in the store that this was exported from",
}


def is_folder(target: Path) -> bool:
    """Whether a target without a suffix is meant as a folder."""
    return target.suffix == "" or target.is_dir()


def check_folder(folder: Path, *, force: bool) -> None:
    """Raise InputError where something is there that may not be replaced: other than our own."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file", "Name another folder.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not force:
        raise InputError(f"{folder} exists already", "Name another folder, or add --force.")
    card = folder / CARD
    marked = card.is_file() and MARK in card.read_text(encoding="utf-8", errors="replace")
    if not marked and not _ended_early(folder):
        raise InputError(f"{folder} holds other files than exported pairs", "Name another folder.")


def _ended_early(folder: Path) -> bool:
    """Whether nothing is there but what an export leaves that was killed before its card."""
    data = folder / "data"
    if [each.name for each in folder.iterdir() if not _hidden(each)] != ["data"]:
        return False
    names = {each.name for each in data.iterdir() if not _hidden(each)} if data.is_dir() else {""}
    return names <= {_file(split) for split in SPLITS}


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".partial")


def _file(split: str) -> str:
    return f"{split}-00000-of-00001.parquet"


def write_folder(pairs: Pairs, folder: Path) -> None:
    """Write the splits that have pairs, and the card last. Raises InputError.

    Only the files of this layout are replaced; the old card goes first, as it is not of the new
    splits.
    """
    import pyarrow.compute as pc

    sizes: dict[str, tuple[int, int]] = {}
    try:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        for old in (CARD, *(f"data/{_file(split)}" for split in SPLITS)):
            (folder / old).unlink(missing_ok=True)
        for split in SPLITS:
            rows = pairs.table.filter(pc.equal(pairs.table["split"], split))
            if len(rows):
                sizes[split] = len(rows), rows.nbytes
                write_table(_typed(rows), folder / "data" / _file(split))
        write_bytes(card(pairs, sizes).encode(), folder / CARD)
    except OSError as error:
        raise InputError(
            f"cannot write {folder}: {error.strerror or error}",
            "Check the folder and the free space.",
        ) from error


def _typed(rows: pa.Table) -> pa.Table:
    """The rows without their split, with the types in words that `datasets` reads."""
    features = {name: {"dtype": kind, "_type": "Value"} for name, kind in COLUMNS.items()}
    meta = {"huggingface": json.dumps({"info": {"features": features}})}
    found: pa.Table = rows.select(list(COLUMNS)).replace_schema_metadata(meta)
    return found


def card(pairs: Pairs, sizes: Mapping[str, tuple[int, int]]) -> str:
    """The dataset card: what the library needs, then where the pairs come from.

    `sizes`: rows and bytes of each split.
    """
    return "\n".join([*_front_matter(sizes), "", *_text(pairs, sizes)]) + "\n"


def _front_matter(sizes: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    yield from ("---", "configs:", "- config_name: default")
    yield "  data_files:" if sizes else "  data_files: []"
    for split in sizes:
        yield f"  - split: {split}"
        yield f"    path: data/{split}-*"
    yield from ("dataset_info:", "  features:")
    for name, kind in COLUMNS.items():
        yield f"  - name: {name}"
        yield f"    dtype: {kind}"
    yield "  splits:" if sizes else "  splits: []"
    for split, (n, n_bytes) in sizes.items():
        yield f"  - name: {split}"
        yield f"    num_bytes: {n_bytes}"
        yield f"    num_examples: {n}"
    yield "---"


def _text(pairs: Pairs, sizes: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    yield f"# Preference pairs of {_plain(pairs.dataset)}"
    yield ""
    n = ", ".join(f"{n:,} to {split}" for split, (n, _) in sizes.items()) or "no pairs"
    yield f"{n}; no prompt is in both splits. Written with {MARK}."
    yield ""
    yield f"- data set: {_plain(pairs.dataset)}" + (
        " (its labels are simulated)" if pairs.simulated else ""
    )
    yield f"- preferred by: {_plain(pairs.source)}; the column `source` says whose label each is"
    yield f"- left out: {pairs.ties:,} ties, {pairs.without_label:,} without a label, " + (
        f"{pairs.without_verdict:,} whose replies have no verdict, "
        f"{pairs.without_texts:,} without texts"
    )
    if pairs.unparsed is UnparsedRule.TIE:
        yield "- a reply without a verdict counts as a tie"
    if pairs.waiting:
        yield f"- {pairs.waiting:,} comparisons wait for a human's label: the AI label stands in"
    yield "- the licence is that of the prompts and responses, which this export does not know"
    yield ""
    yield from ("| column | meaning |", "|---|---|")
    yield from (f"| `{name}` | {meaning} |" for name, meaning in ABOUT.items())


def _plain(text: str) -> str:
    """A name on one line of Markdown."""
    return "".join(c if c.isprintable() else " " for c in text)
