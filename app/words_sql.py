"""The SQL view's words: the tables of the store, examples to start from, and errors in plain words.

Pure: no Streamlit. Here alone raw column names are shown, as a query needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from data.user_sql import FASTER, TOO_MUCH

if TYPE_CHECKING:
    from data.errors import ConcordError

TABLES = {
    "datasets": "A data set, and whether its human labels are simulated.",
    "comparisons": "A prompt with two responses; what a probe made has the original as parent.",
    "annotators": "Who labels: humans, judges, baselines, and somebody's gold.",
    "labels": "One annotator's preference on one comparison; not ok: why there is none.",
    "replies": "What a provider sent for one request, and what was paid for it.",
    "label_replies": "Which replies a label came from.",
    "runs": "A judge's run over a data set, or one session of a person.",
    "batches": "Requests sent through a batch API, and how they stand.",
    "possibly_paid": "Requests sent of which no answer was seen.",
    "prices": "What somebody said a label costs; the newest row is in force.",
    "features": "What each response counts: words, list items, hedges and so on.",
    "tags": "What a person says of a disagreement; the newest row of a person counts.",
    "assignments": "Comparisons that are to be labelled by people, and how they were drawn.",
    "guidelines": "What people were told to judge by.",
    "imports": "Files that were brought in.",
    "migrations": "Versions that the store has been through.",
    "meta": "What the store needs for itself.",
}
COLUMNS = {
    "annotator": "the name of an annotator, or of who set this",
    "annotator_id": "who labels",
    "anonymous": "one of many people without a name of their own",
    "a": "the value of response A",
    "assigned_at": "when it was assigned (UTC)",
    "b": "the value of response B",
    "batch_id": "the provider's id",
    "budget_usd": "the most that may be spent, in US dollars",
    "category": "the kind of prompt",
    "comparison_id": "which comparison",
    "completion_tokens": "tokens of the reply",
    "cost_usd": "what buying this label costs, also where its reply was there already",
    "created_at": "when it was made (UTC)",
    "criterion": "what is judged by; overall where none is named",
    "dataset": "the data set's name",
    "definition": "a judge as it ran",
    "details": "more about a label, as a reason of failure",
    "digest": "of the file",
    "done": "labels that did not fail",
    "ended_at": "when it ended (UTC)",
    "failed": "labels that failed",
    "feature": "what is counted",
    "fingerprint": "what the provider says of its configuration",
    "finish_reason": "why the reply ended",
    "format": "of the file",
    "guideline_id": "which guideline was shown",
    "imported_at": "when it was brought in (UTC)",
    "journal_offset": "how far the run's journal is stored",
    "judge": "the name of the judge, or of the person",
    "key": "what it is",
    "kind": "human, judge, baseline or aggregate",
    "label_id": "which label",
    "logprobs": "log-probabilities of the first tokens",
    "metadata": "more about a comparison",
    "model": "the model asked",
    "model_a": "who wrote response A",
    "model_b": "who wrote response B",
    "most_usd": "what it may have cost at most, in US dollars",
    "n_comparisons": "how many comparisons came",
    "n_labels": "how many labels came",
    "n_requests": "how many requests",
    "name": "the name",
    "note": "what was said with it",
    "p_a": "the stated probability that A is better",
    "paid_usd": "what was paid, in US dollars; null: not known",
    "parent_id": "the comparison that a probe changed",
    "perturbation": "what a probe changed",
    "planned": "labels to make",
    "policy": "by which policy",
    "preference": "a, b or tie, in stored orientation; null where not ok",
    "price_version": "which price list",
    "prompt": "the prompt's text",
    "prompt_id": "which prompt; comparisons of one prompt go together",
    "prompt_tokens": "tokens of the request",
    "provider": "whose batch API",
    "queue": "routed or audit",
    "rationale": "the reasons given",
    "received_at": "when it came (UTC)",
    "reference": "a reference answer",
    "repeat": "0 for the first label, 1 for the next",
    "request_hash": "which request",
    "response_a": "the text of response A",
    "response_b": "the text of response B",
    "run_id": "which run",
    "sampling_probability": "how likely it was to be drawn",
    "score": "what it was chosen by",
    "seconds": "how long it took",
    "sent_at": "when it was sent (UTC)",
    "served_model": "the model that answered",
    "set_at": "when it was said (UTC)",
    "settings": "what the run was told to do",
    "shown": "ab: A was shown first, ba: B was; null: not known",
    "simulated": "no person gave the human labels",
    "source": "where it comes from",
    "source_id": "its id there",
    "spent_usd": "what was paid so far, in US dollars",
    "started_at": "when it began (UTC)",
    "status": "how it ended or stands",
    "strength": "how strong the preference is",
    "submitted_at": "when it was sent (UTC)",
    "tag": "the tag, or the mark of a batch",
    "text": "the text",
    "usd_per_hour": "US dollars an hour",
    "usd_per_label": "US dollars a label",
    "value": "what it holds",
    "version": "which version",
}
LONGEST_CELL = 2_000
CUT = (
    f"Texts of more than {LONGEST_CELL:,} characters are cut on this page; the file holds them "
    "whole."
)
TRANSPORT = ("migrations", "meta")  # of no use to a reader


def is_long(value: object) -> bool:
    """Whether a page cuts it."""
    return isinstance(value, str) and len(value) > LONGEST_CELL


def cell(value: Any) -> Any:
    """A value as a page shows it."""
    return f"{value[:LONGEST_CELL]} …" if is_long(value) else value


def columns_of(columns: list[tuple[str, str, str]], table: str) -> list[dict[str, str]]:
    """The columns of a table as rows: name, type, and what they hold."""
    return [
        {"Column": name, "Type": kind.lower(), "Holds": COLUMNS.get(name, "")}
        for of, name, kind in columns
        if of == table
    ]


EXAMPLES = {
    "": "choose an example",
    "agreement": "How often each judge equals a human on the same comparison",
    "disagreements": "Where all humans agree and a judge says the opposite",
    "order": "How often a judge's preference changes with the order",
    "spend": "What each judge cost, per label and in all",
    "tags": "What people say of the disagreements",
    "failures": "Why labels are missing",
    "categories": "Human labels, ties and comparisons by category",
}
_SQL = {
    "agreement": """\
-- ties count as a label of their own; the Agreement view adds intervals
SELECT judges.name AS judge, count(*) AS pairs,
       round(avg((j.preference = h.preference)::INT), 3) AS agreement
FROM labels j
JOIN annotators judges ON judges.annotator_id = j.annotator_id AND judges.kind = 'judge'
JOIN labels h USING (comparison_id)
JOIN annotators humans ON humans.annotator_id = h.annotator_id AND humans.kind = 'human'
JOIN comparisons c USING (comparison_id)
WHERE c.dataset = {dataset} AND j.criterion = {criterion} AND h.criterion = {criterion}
  AND j.status = 'ok' AND h.status = 'ok'
GROUP BY judge ORDER BY agreement DESC""",
    "disagreements": """\
WITH humans AS (
    SELECT comparison_id, any_value(preference) AS preference, count(*) AS n
    FROM labels JOIN annotators USING (annotator_id)
    WHERE kind = 'human' AND status = 'ok' AND criterion = {criterion}
    GROUP BY comparison_id HAVING count(DISTINCT preference) = 1 AND count(*) >= 2)
SELECT name AS judge, l.preference AS judge_says, humans.preference AS humans_say,
       humans.n AS humans, shown, left(prompt, 100) AS prompt, left(rationale, 200) AS rationale
FROM labels l JOIN annotators USING (annotator_id) JOIN humans USING (comparison_id)
JOIN comparisons c USING (comparison_id)
WHERE c.dataset = {dataset} AND kind = 'judge' AND l.criterion = {criterion}
  AND l.preference <> humans.preference AND 'tie' NOT IN (l.preference, humans.preference)
ORDER BY humans.n DESC, judge LIMIT 100""",
    "order": """\
WITH asked_both AS (
    SELECT annotator_id, comparison_id, repeat,
           any_value(preference) FILTER (shown = 'ab') AS ab,
           any_value(preference) FILTER (shown = 'ba') AS ba
    FROM labels JOIN comparisons c USING (comparison_id)
    WHERE c.dataset = {dataset} AND criterion = {criterion} AND status = 'ok'
    GROUP BY ALL)
SELECT name AS judge, count(*) AS comparisons, count(*) FILTER (ab <> ba) AS changed,
       round(avg((ab <> ba)::INT), 3) AS share_changed
FROM asked_both JOIN annotators USING (annotator_id)
WHERE ab IS NOT NULL AND ba IS NOT NULL AND kind IN ('judge', 'baseline')
GROUP BY judge ORDER BY share_changed DESC""",
    "spend": """\
SELECT judge, count(*) AS runs, sum(done) AS labels, round(sum(spent_usd), 4) AS spent_usd,
       round(sum(spent_usd) / nullif(sum(done), 0), 6) AS usd_per_label
FROM runs WHERE dataset = {dataset}
GROUP BY judge ORDER BY spent_usd DESC""",
    "tags": """\
SELECT tag, count(*) AS tagged, count(DISTINCT comparison_id) AS comparisons,
       list(note ORDER BY set_at DESC)[:3] AS newest_notes
FROM (SELECT tags.* FROM tags JOIN comparisons USING (comparison_id) WHERE dataset = {dataset}
      QUALIFY row_number() OVER (PARTITION BY comparison_id, annotator ORDER BY set_at DESC) = 1)
WHERE tag IS NOT NULL GROUP BY tag ORDER BY tagged DESC""",
    "failures": """\
SELECT name AS annotator, status, details->>'reason' AS reason, count(*) AS labels
FROM labels JOIN annotators USING (annotator_id) JOIN comparisons c USING (comparison_id)
WHERE c.dataset = {dataset} AND criterion = {criterion} AND status <> 'ok'
GROUP BY ALL ORDER BY labels DESC""",
    "categories": """\
SELECT category, count(DISTINCT comparison_id) AS comparisons, count(*) AS human_labels,
       round(avg((preference = 'tie')::INT), 3) AS share_of_ties
FROM labels JOIN annotators USING (annotator_id) JOIN comparisons c USING (comparison_id)
WHERE c.dataset = {dataset} AND kind = 'human' AND criterion = {criterion} AND status = 'ok'
GROUP BY category ORDER BY comparisons DESC""",
}


def example(name: str, dataset: str, criterion: str) -> str:
    """An example's SQL on a data set by a criterion; empty where none is chosen."""
    found = _SQL.get(name, "")
    return found.replace("{dataset}", quoted(dataset)).replace("{criterion}", quoted(criterion))


def quoted(text: str) -> str:
    """A text as SQL takes it word for word."""
    return "'" + text.replace("'", "''") + "'"


def problem(error: ConcordError) -> tuple[str, str]:
    """What went wrong with a query, and what to do, in plain words."""
    what, fix = error.what, error.fix
    if "Out of Memory" in what:
        return f"{TOO_MUCH[:1].upper()}{TOO_MUCH[1:]}.", FASTER
    if "Permission Error" in what:
        return (
            "The query reaches beyond the store.",
            "Files, networks, extensions and settings are shut off here: name tables of the store.",
        )
    for kind in ("Parser", "Binder", "Catalog", "Conversion", "Invalid Input"):
        what = what.replace(f"{kind} Error: ", "")
    end = "" if what.endswith(("?", ".")) else "."
    return f"{what[:1].upper()}{what[1:]}{end}", fix


def found(n: int, seconds: float, *, is_cut: bool) -> str:
    """How many rows there are, and how long it took."""
    took = "less than 0.1 s" if seconds < 0.1 else f"{seconds:.1f} s"
    if is_cut:
        return f"The first {n:,} rows, in {took}. There are more: narrow the query, or use the \
command below with a larger --limit."
    return f"{n:,} {'row' if n == 1 else 'rows'}, in {took}."
