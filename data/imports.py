"""Material into the store: one transaction, nothing twice, conflicts shown and nothing lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from data.errors import InputError
from data.rows import rows_table
from data.schema import COMPARISON_ID, LABEL_ID, PROMPT_ID
from data.store import first_row

if TYPE_CHECKING:
    from data.formats.material import Material, Skipped
    from data.records import Annotator
    from data.store import Connection, Store


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did; `known` rows were in the store already and were left as they are."""

    dataset: str
    comparisons_new: int
    comparisons_known: int
    labels_new: int
    labels_known: int
    annotators: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    simulated: bool


ANNOTATOR_COLUMNS = pa.schema(
    [
        ("annotator_id", pa.string()),
        ("kind", pa.string()),
        ("dataset", pa.string()),
        ("name", pa.string()),
        ("anonymous", pa.bool_()),
        ("model", pa.string()),
        ("definition", pa.string()),
    ]
)
STAGE_COMPARISONS = f"""
CREATE OR REPLACE TEMP TABLE staged_comparisons AS
SELECT *, {COMPARISON_ID} AS comparison_id, {PROMPT_ID} AS prompt_id
FROM (SELECT *, prompt_key, $dataset AS dataset FROM arriving_comparisons)
"""
REFER_COMPARISONS = """
CREATE OR REPLACE TEMP TABLE staged_comparisons AS
SELECT arriving.*, $dataset AS dataset, known.comparison_id, known.prompt_id
FROM arriving_comparisons arriving
LEFT JOIN comparisons known ON known.dataset = $dataset AND known.source_id = arriving.source_id
"""
STAGE_ANNOTATORS = """
CREATE OR REPLACE TEMP TABLE staged_annotators AS
SELECT * REPLACE (annotator_id::UUID AS annotator_id, definition::JSON AS definition)
FROM arriving_annotators
"""
STAGE_LABELS = f"""
CREATE OR REPLACE TEMP TABLE staged_labels AS
SELECT *, {LABEL_ID} AS label_id FROM (
    SELECT labels.* EXCLUDE (item, annotator, repeat), item, name AS annotator, annotator_id,
           comparison_id, source_id, {{repeat}} AS repeat
    FROM arriving_labels labels
    JOIN staged_comparisons USING (item)
    JOIN staged_annotators ON staged_annotators.name = labels.annotator)
"""
REPEAT_AS_GIVEN = "repeat"
REPEAT_BY_ORDER = """
row_number() OVER (PARTITION BY comparison_id, annotator_id, criterion, shown ORDER BY line, item)
- 1 + (SELECT count(*) FROM labels earlier WHERE earlier.comparison_id =
       staged_comparisons.comparison_id AND earlier.annotator_id = staged_annotators.annotator_id
       AND earlier.criterion = labels.criterion
       AND earlier.shown IS NOT DISTINCT FROM labels.shown)
"""
UNMATCHED = """
SELECT source_id, min(line) FROM staged_comparisons LEFT JOIN arriving_labels USING (item)
WHERE comparison_id IS NULL GROUP BY source_id ORDER BY min(line) LIMIT 3
"""
CHANGED_TEXTS = """
SELECT staged.source_id FROM staged_comparisons staged
JOIN comparisons known ON known.dataset = staged.dataset AND known.source_id = staged.source_id
WHERE known.comparison_id <> staged.comparison_id LIMIT 1
"""
MADE_BY_PROBES = """
SELECT 1 FROM comparisons WHERE dataset = $dataset AND parent_id IS NOT NULL LIMIT 1
"""
TWICE_IN_FILE = """
SELECT source_id FROM staged_comparisons GROUP BY source_id
HAVING count(DISTINCT comparison_id) > 1 LIMIT 1
"""
CONFLICT = """
SELECT annotator, source_id, preference, other, line, other_line, true AS in_file FROM (
    SELECT annotator, source_id, preference, line,
           first_value(preference) OVER same AS other, first_value(line) OVER same AS other_line
    FROM staged_labels
    WINDOW same AS (PARTITION BY label_id ORDER BY line NULLS LAST, item
                    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING))
WHERE preference IS DISTINCT FROM other
UNION ALL
SELECT annotator, staged.source_id, staged.preference, known.preference, line, NULL, false
FROM staged_labels staged JOIN labels known USING (label_id)
WHERE staged.preference IS DISTINCT FROM known.preference
LIMIT 1
"""
ADD_COMPARISONS = """
INSERT INTO comparisons BY NAME
SELECT comparison_id, dataset, source_id, prompt_id, prompt, response_a, response_b, model_a,
       model_b, category, reference, metadata::JSON AS metadata
FROM staged_comparisons staged
WHERE comparison_id NOT IN (SELECT comparison_id FROM comparisons WHERE dataset = $dataset)
QUALIFY row_number() OVER (PARTITION BY comparison_id ORDER BY item) = 1
ORDER BY item
"""
ADD_ANNOTATORS = """
INSERT INTO annotators BY NAME
FROM staged_annotators WHERE annotator_id NOT IN (SELECT annotator_id FROM annotators)
"""
ADD_LABELS = """
INSERT INTO labels BY NAME
SELECT label_id, comparison_id, annotator_id, criterion, repeat, shown, preference, p_a, strength,
       status, rationale, seconds, cost_usd, sampling_probability, details::JSON AS details,
       coalesce(created_at AT TIME ZONE 'UTC', $now) AS created_at
FROM staged_labels
WHERE label_id NOT IN (SELECT label_id FROM labels)
QUALIFY row_number() OVER (PARTITION BY label_id ORDER BY line, item) = 1
"""
ADD_DATASET = """
INSERT INTO datasets SELECT $dataset, $source, $simulated, $now
WHERE NOT EXISTS (FROM datasets WHERE dataset = $dataset)
"""
ADD_IMPORT = "INSERT INTO imports VALUES ($dataset, $source, $digest, $now, $comparisons, $labels)"
SEEN = "SELECT count(*) FROM imports WHERE dataset = $dataset AND digest = $digest"


def import_material(store: Store, material: Material, *, repeat: bool = False) -> Imported:
    """Put one data set into the store in one transaction.

    `repeat` keeps a second label of the same annotator on the same comparison as a repeat instead
    of refusing it. Raises InputError, and changes nothing, where labels contradict each other or
    the store, where an id is unmatched, or where the texts behind a known id have changed.
    """
    with store.writing() as con:
        _register(con, material)
        now = datetime.now(UTC).replace(tzinfo=None)
        stage = REFER_COMPARISONS if material.refers else STAGE_COMPARISONS
        con.execute(stage, {"dataset": material.dataset})
        con.execute(STAGE_ANNOTATORS)
        _check_comparisons(con, material)
        counted = repeat and not _seen(con, material)
        how = REPEAT_BY_ORDER if counted else REPEAT_AS_GIVEN
        if repeat and not counted:
            return _result(material, new_comparisons=0, new_labels=0)
        con.execute(STAGE_LABELS.format(repeat=how))
        _check_labels(con, material)
        comparisons = 0 if material.refers else _add(con, ADD_COMPARISONS, dataset=material.dataset)
        _add(con, ADD_ANNOTATORS)
        labels = _add(con, ADD_LABELS, now=now)
        con.execute(
            ADD_DATASET,
            {
                "dataset": material.dataset,
                "source": material.source,
                "simulated": material.simulated,
                "now": now,
            },
        )
        if comparisons or labels:
            con.execute(
                ADD_IMPORT,
                {
                    "dataset": material.dataset,
                    "source": material.source,
                    "digest": material.digest,
                    "now": now,
                    "comparisons": comparisons,
                    "labels": labels,
                },
            )
        return _result(material, new_comparisons=comparisons, new_labels=labels)


def _result(material: Material, *, new_comparisons: int, new_labels: int) -> Imported:
    return Imported(
        dataset=material.dataset,
        comparisons_new=new_comparisons,
        comparisons_known=len(material.comparisons) - new_comparisons,
        labels_new=new_labels,
        labels_known=len(material.labels) - new_labels,
        annotators=tuple(annotator.name for annotator in material.annotators),
        skipped=material.skipped,
        notes=material.notes,
        simulated=material.simulated,
    )


def _register(con: Connection, material: Material) -> None:
    con.register("arriving_comparisons", material.comparisons)
    con.register("arriving_labels", material.labels)
    con.register("arriving_annotators", annotator_table(material.annotators))


def annotator_table(annotators: tuple[Annotator, ...]) -> pa.Table:
    """Annotators as the columns of the store's table."""
    rows = [
        {
            "annotator_id": str(each.annotator_id),
            "kind": each.kind.value,
            "dataset": each.dataset,
            "name": each.name,
            "anonymous": each.anonymous,
            "model": each.model,
            "definition": None if each.definition is None else json.dumps(each.definition),
        }
        for each in annotators
    ]
    return rows_table(rows, ANNOTATOR_COLUMNS)


def _add(con: Connection, sql: str, **parameters: object) -> int:
    row = first_row(con, sql, parameters or None)
    return int(row[0]) if row else 0


def _seen(con: Connection, material: Material) -> bool:
    parameters = {"dataset": material.dataset, "digest": material.digest}
    row = first_row(con, SEEN, parameters)
    return bool(row and row[0])


def _check_comparisons(con: Connection, material: Material) -> None:
    unmatched = con.execute(UNMATCHED).fetchall() if material.refers else []
    if unmatched:
        names = ", ".join(f"{name!r} ({_place(material, line)})" for name, line in unmatched)
        raise InputError(
            f"no comparison {names} in the data set {material.dataset!r}; nothing was imported",
            "Correct the ids, or give the file another --dataset to start a new data set.",
        )
    if material.refers:
        return
    if first_row(con, MADE_BY_PROBES, {"dataset": material.dataset}):
        raise InputError(
            f"the data set {material.dataset!r} was made by probes; nothing was imported",
            "Give the file another --dataset.",
        )
    if row := first_row(con, TWICE_IN_FILE):
        raise InputError(
            f"{material.source}: the id {row[0]!r} stands for two different comparisons; "
            "nothing was imported",
            "Give each comparison an id of its own.",
        )
    if row := first_row(con, CHANGED_TEXTS):
        raise InputError(
            f"{material.source}: comparison {row[0]!r} is in the data set {material.dataset!r} "
            "with other texts; nothing was imported",
            "Import the changed texts as another --dataset, or remove the old one first.",
        )


def _check_labels(con: Connection, material: Material) -> None:
    row = first_row(con, CONFLICT)
    if row is None:
        return
    annotator, source_id, preference, other, line, other_line, in_file = row
    where = _place(material, other_line) if in_file else "in the store"
    raise InputError(
        f"{annotator!r} labels comparison {source_id!r} twice with different preferences: "
        f"{other or 'none'} ({where}) and {preference or 'none'} ({_place(material, line)}); "
        "nothing was imported",
        "Correct one of them, or add --repeat to keep both as repeated labels.",
    )


def _place(material: Material, line: int | None) -> str:
    return material.source if line is None else f"{material.source}, line {line}"
