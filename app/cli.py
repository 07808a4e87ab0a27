"""The command line. Commands parse, call a pipeline, print; what they need is imported when run.

Exit codes: 0 done, 1 unexpected, 2 wrong command line, 3 bad input, 4 store, 5 judge file,
6 provider, 7 price, 8 run not finished, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from data.errors import ConcordError, InputError

EPILOG = (
    "Start with: concord demo.  Exit codes: 0 done, 1 unexpected, 2 wrong command line, "
    "3 bad input, 4 store, 5 judge file, 6 provider, 7 price, 8 run not finished, 130 interrupted."
)
app = typer.Typer(
    name="concord",
    help="Compare AI and human preference feedback: agreement, bias and cost, in one store.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 100},
)
datasets = typer.Typer(
    help="List, show, remove or back up what the store holds.", no_args_is_help=True
)
app.add_typer(datasets, name="datasets")

StoreOption = Annotated[
    Path,
    typer.Option("--store", envvar="CONCORD_STORE", help="The DuckDB file of the store."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", "-d", help="The data set; not needed where there is one.")
]
FormatArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FORMAT", help="csv, jsonl, parquet, pandalm, prd, llmbar, alpacaeval or sample."
    ),
]
PortOption = Annotated[int, typer.Option(help="The port of the dashboard on 127.0.0.1.")]
DEFAULT_STORE = Path("concord.duckdb")


class ReportFormat(StrEnum):
    """Forms of a report."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    HTML = "html"


FormatOption = Annotated[
    ReportFormat | None, typer.Option("--format", help="Form of the result; default: table.")
]


def _form(named: ReportFormat | None, *, as_json: bool) -> ReportFormat:
    """The form asked for; --json is short for --format json and goes with no other."""
    if as_json and named not in (None, ReportFormat.JSON):
        raise typer.BadParameter(f"--json and --format {named} contradict each other: give one")
    return ReportFormat.JSON if as_json else named or ReportFormat.TABLE


class Majority(StrEnum):
    """Rules of the human majority."""

    MODE = "mode"
    SIGN = "sign"


class Unparsed(StrEnum):
    """Rules for replies without a verdict."""

    DROP = "drop"
    TIE = "tie"
    WRONG = "wrong"


class UnparsedPairs(StrEnum):
    """The same of pairs for training, where nothing can be wrong."""

    DROP = "drop"
    TIE = "tie"


class CardForm(StrEnum):
    """Forms of a card."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


class Ties(StrEnum):
    """Rules for ties."""

    CLASS = "class"
    DROP = "drop"
    HALF = "half"


class Matches(StrEnum):
    """pipelines.strategy.Match, without importing the pipelines."""

    HUMAN = "human"
    MAJORITY = "majority"
    REWARD = "reward"


class Slices(StrEnum):
    """Columns to slice a data set by."""

    CATEGORY = "category"
    LENGTH = "length"
    MODELS = "models"


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Compare AI and human preference feedback: agreement, bias and cost, in one store."""
    if debug:
        os.environ["CONCORD_DEBUG"] = "1"


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its store.")] = Path("demo"),
    serve: Annotated[bool, typer.Option(help="Open the dashboard at the end.")] = True,
    port: PortOption = 8501,
) -> None:
    """Do the main job on a bundled sample: no key and no network needed.

    \b
    Example: concord demo --no-serve
    """
    from app.demo import run_demo

    run_demo(folder, serve=serve, port=port)


@app.command("import")
def import_(
    source_format: FormatArgument = None,
    path: Annotated[Path | None, typer.Argument(help="The file, or a data set's folder.")] = None,
    store: StoreOption = DEFAULT_STORE,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", "-d", help="Name of the data set; default: the file's name."),
    ] = None,
    wide: Annotated[
        str,
        typer.Option(
            help="Annotator columns of a file with a row a comparison: annotator1,annotator2."
        ),
    ] = "",
    rename: Annotated[
        list[str] | None, typer.Option(help="THEIRS=OURS: a column under another name. Repeatable.")
    ] = None,
    values: Annotated[
        str, typer.Option(help="How the file writes preferences: 1=a,2=b,0=tie.")
    ] = "",
    ignore: Annotated[
        list[str] | None, typer.Option(help="A column to leave out. Repeatable.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="human, judge, baseline or aggregate, where no column says so.")
    ] = "human",
    anonymous: Annotated[
        bool, typer.Option(help="Annotator names are places, not people.")
    ] = False,
    simulated: Annotated[
        bool, typer.Option(help="The labels are simulated; everything says so.")
    ] = False,
    unlabelled: Annotated[
        bool, typer.Option(help="The file holds comparisons that nobody has labelled yet.")
    ] = False,
    repeat: Annotated[
        bool, typer.Option(help="Keep a second label of an annotator as a repeat.")
    ] = False,
    template: Annotated[str | None, typer.Option(help="Print a template (csv) and stop.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Put comparisons and labels into the store; importing twice adds nothing.

    \b
    Examples:
      concord import --template csv > labels.csv
      concord import csv labels.csv --dataset mine
      concord import csv table.csv --wide ann,bob --values 1=a,2=b,0=tie
      concord import csv new.csv --unlabelled
      concord import pandalm path/to/pandalm
    """  # fmt: skip
    from app import importing

    if template is not None:
        importing.print_template(template)
        return
    options = importing.options(
        dataset, wide, rename or [], values, ignore or [], kind, anonymous, simulated, unlabelled
    )
    importing.run(store, source_format, path, options, repeat=repeat, as_json=as_json)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="pandalm, prd, llmbar or alpacaeval.")],
    to: Annotated[Path | None, typer.Option(help="Folder; default: ./NAME.")] = None,
    mirror: Annotated[str | None, typer.Option("--from", help="Address of a mirror.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Download a public data set; every file is checked, a broken download continues.

    \b
    Example: concord fetch pandalm && concord import pandalm pandalm
    """
    from app.importing import run_fetch

    run_fetch(name, to or Path(name), mirror, as_json=as_json)


@datasets.command("list")
def datasets_list(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """What the store holds."""
    from app.browsing import list_datasets

    list_datasets(store, as_json=as_json)


@datasets.command("show")
def datasets_show(
    dataset: Annotated[str, typer.Argument()],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """What a data set holds, what it supports, and what to collect for the rest."""
    from app.browsing import show_dataset

    show_dataset(store, dataset, as_json=as_json)


@datasets.command("remove")
def datasets_remove(
    dataset: Annotated[str, typer.Argument()],
    store: StoreOption = DEFAULT_STORE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a data set with its labels; replies that were paid for stay."""
    from app.browsing import remove

    remove(store, dataset, yes=yes, as_json=as_json)


@datasets.command("backup")
def datasets_backup(
    target: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Copy the whole store to another file."""
    from app.browsing import backup

    backup(store, target)


@app.command()
def judges(
    name: Annotated[str | None, typer.Argument(help="Print this judge's file, to copy.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the judges that ship with Concord, or print one to start your own from.

    \b
    Example: concord judges local-server > my-judge.toml
    """
    from app.labelling import list_judges, print_judge

    if name is None:
        list_judges(as_json=as_json)
    else:
        print_judge(name)


JudgeOption = Annotated[
    str,
    typer.Option("--judge", "-j", help="A judge file, a shipped judge, or longer, first, random."),
]
LimitOption = Annotated[
    int | None,
    typer.Option(min=1, max=10**12, help="Only the first N comparisons by id.", metavar="N"),
]
RepeatsOption = Annotated[int, typer.Option(min=1, help="Ask for every label so many times.")]
PriceInOption = Annotated[
    float | None, typer.Option(min=0, help="US dollars per million tokens of the prompt.")
]
PriceOutOption = Annotated[
    float | None, typer.Option(min=0, help="US dollars per million tokens of the reply.")
]
BudgetOption = Annotated[
    float | None,
    typer.Option(metavar="USD", help="The most that the run may cost, resumes included."),
]
ConcurrencyOption = Annotated[
    int, typer.Option(min=1, max=2048, help="Calls under way at once, at most.")
]
WorkersOption = Annotated[
    str, typer.Option(metavar="N|auto", help="Processes that call the provider.")
]
MaxFailuresOption = Annotated[
    int, typer.Option(min=1, help="Stop after so many failures in a row.")
]
BatchOption = Annotated[
    bool, typer.Option("--batch", help="Through the provider's batch API, at half the price.")
]


@app.command()
def plan(
    judge: Annotated[
        list[str],
        typer.Option("--judge", "-j", help="A judge file or a shipped judge. Repeatable."),
    ],
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    limit: LimitOption = None,
    repeats: RepeatsOption = 1,
    price_in: PriceInOption = None,
    price_out: PriceOutOption = None,
    batch: BatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Calls, tokens and cost of labelling, before anything is sent.

    \b
    Example: concord plan --judge gpt-5.4-mini --judge claude-haiku-5-5 --dataset mine
    """
    from app.labelling import Given, show_plans

    givens = [
        Given(
            store,
            name,
            dataset,
            limit,
            repeats=repeats,
            price_in=price_in,
            price_out=price_out,
            batch=batch,
        )
        for name in judge
    ]
    show_plans(givens, as_json=as_json)


@app.command()
def label(
    judge: JudgeOption,
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    limit: LimitOption = None,
    budget: BudgetOption = None,
    concurrency: ConcurrencyOption = 64,
    workers: WorkersOption = "1",
    repeats: RepeatsOption = 1,
    max_failures: MaxFailuresOption = 25,
    rpm: Annotated[float | None, typer.Option(min=1, help="Requests a minute, at most.")] = None,
    tpm: Annotated[float | None, typer.Option(min=1, help="Tokens a minute, at most.")] = None,
    price_in: PriceInOption = None,
    price_out: PriceOutOption = None,
    batch: BatchOption = False,
    poll_seconds: Annotated[
        float, typer.Option(min=0.1, help="How often a batch is looked at.")
    ] = 30.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked and cost; send nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let a judge label a data set; the same command continues a run that ended early.

    \b
    Examples:
      concord label --judge longer --dataset mine
      concord label --judge gpt-5.4-mini --dataset mine --limit 200 --dry-run
      concord label --judge my-judge.toml --dataset mine --budget 5
      concord label --judge gpt-5.4-mini --dataset mine --batch
    """  # fmt: skip
    from app.labelling import Given, run_label, show_plans

    given = Given(
        store,
        judge,
        dataset,
        limit,
        concurrency,
        repeats,
        budget,
        max_failures,
        workers,
        rpm,
        tpm,
        price_in,
        price_out,
        batch,
        poll_seconds,
    )
    if dry_run:
        show_plans([given], as_json=as_json)
    else:
        run_label(given, as_json=as_json)


@app.command()
def examples(
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    n: Annotated[int, typer.Option("--n", min=1, help="How many.")] = 4,
    seed: Annotated[int, typer.Option(help="Another seed draws other ones.")] = 0,
) -> None:
    """Draw few-shot examples for a judge from the human labels of a data set.

    \b
    Example: concord examples --dataset mine --n 4 > examples.jsonl
    """
    from app.labelling import print_examples

    print_examples(store, dataset, n, seed)


@app.command()
def probes(
    name: Annotated[str | None, typer.Argument(help="Print this probe's file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what a judge can be probed with; with a name, print its file to start from.

    \b
    Example: concord probes length > mine.py
    """
    from app.probing import list_probes, print_probe

    if name is None:
        list_probes(as_json=as_json)
    else:
        print_probe(name)


@app.command()
def probe(
    judge: JudgeOption,
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    names: Annotated[
        str, typer.Option("--probes", help="Names and .py files, with commas between.")
    ] = "all",
    paraphrase: Annotated[
        list[str] | None,
        typer.Option(help="Ask with this template too (.md, or a shipped one). Repeatable."),
    ] = None,
    comparisons: Annotated[
        int, typer.Option(min=1, max=20_000, help="How many comparisons each probe changes.")
    ] = 200,
    budget: BudgetOption = None,
    concurrency: ConcurrencyOption = 64,
    workers: WorkersOption = "1",
    max_failures: MaxFailuresOption = 25,
    price_in: PriceInOption = None,
    price_out: PriceOutOption = None,
    batch: BatchOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked and cost; send nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Change one thing about a response and ask the judge again, in both orders: an experiment.

    What was changed is kept as a data set beside the original; the same command continues a run
    that ended early. `concord card` says what came out.

    \b
    Examples:
      concord probe --judge my-judge.toml --dataset mine --probes length,authority --dry-run
      concord probe --judge my-judge.toml --dataset mine --budget 2
      concord probe --judge my-judge.toml --dataset mine --probes mine.py --paraphrase my-prompt.md
    """
    from app.labelling import Given
    from app.probing import run_probe

    given = Given(
        store, judge, dataset, None, concurrency, 1, budget, max_failures, workers,
        price_in=price_in, price_out=price_out, batch=batch, both_orders=True,
    )  # fmt: skip
    run_probe(given, names, paraphrase or (), comparisons, dry_run=dry_run, as_json=as_json)


@app.command()
def features(
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    add: Annotated[str | None, typer.Option(help="Name of a feature of your own.")] = None,
    sql: Annotated[str | None, typer.Option(help="Its SQL expression over text.")] = None,
    python: Annotated[str | None, typer.Option(help="Its function: FILE.py:FUNCTION.")] = None,
    remove: Annotated[str | None, typer.Option(help="Remove one of your own.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Features of the responses that `report --section bias` compares; add one of your own.

    \b
    Example: concord features --dataset mine --add numbers --sql "regexp_matches(text, '[0-9]')"
    """
    from app.features import run_features

    run_features(store, dataset, add, sql, python, remove, as_json=as_json)


@app.command()
def price(
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    annotator: Annotated[
        str | None,
        typer.Option(help="Of whom; default: every human without a price of their own."),
    ] = None,
    per_label: Annotated[float | None, typer.Option(metavar="USD", help="For each label.")] = None,
    per_hour: Annotated[
        float | None, typer.Option(metavar="USD", help="For each hour of measured time.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Where the price is from.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the price in force away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What a label costs: set it, dated and with a note; without a price, list those in force.

    \b
    Examples:
      concord price --dataset mine
      concord price --dataset mine --per-label 0.5 --note "pool of June"
      concord price --dataset mine --annotator ann --per-hour 18
      concord price --dataset mine --annotator gpt-4 --per-label 0.004
      concord price --dataset mine --annotator ann --remove
    """  # fmt: skip
    from app.pricing import Wanted, run_price

    wanted = Wanted(annotator, per_label, per_hour, note, remove)
    run_price(store, dataset, wanted, as_json=as_json)


guideline = typer.Typer(
    help="What people who label are told: texts with versions.", no_args_is_help=True
)
app.add_typer(guideline, name="guideline")


@guideline.command("set")
def guideline_set(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A text, as people are shown it.")],
    dataset: DatasetOption = None,
    criterion: Annotated[str, typer.Option(help="The criterion that it explains.")] = "overall",
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Put a guideline in force: labels that people give from now on carry its version.

    \b
    Example: concord guideline set guideline.md --dataset mine
    """
    from app.guiding import run_guideline_set

    run_guideline_set(store, file, dataset, criterion, as_json=as_json)


@guideline.command("show")
def guideline_show(
    dataset: DatasetOption = None,
    criterion: Annotated[str | None, typer.Option(help="Of one criterion; default: all.")] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """The guidelines in force, and earlier versions."""
    from app.guiding import run_guideline_show

    run_guideline_show(store, dataset, criterion, as_json=as_json)


@app.command()
def tags(
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """What people say of labels that differ: AI error, human noise, unclear guideline, other."""
    from app.guiding import run_tags

    run_tags(store, dataset, as_json=as_json)


runs = typer.Typer(help="Labelling runs: progress, spend, failures, how to go on.")
app.add_typer(runs, name="runs")
labels = typer.Typer(help="What to do with labels that are there.", no_args_is_help=True)
app.add_typer(labels, name="labels")
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its beginning.")]


@runs.callback(invoke_without_command=True)
def runs_list(
    context: typer.Context, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False
) -> None:
    """Labelling runs: progress, spend, failures by reason, and how to continue."""
    if context.invoked_subcommand is None:
        from app.runs import list_runs

        list_runs(store, as_json=as_json)


@runs.command("show")
def runs_show(
    run: RunArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False
) -> None:
    """All that is known of one run."""
    from app.runs import show_run

    show_run(store, run, as_json=as_json)


@runs.command("watch")
def runs_watch(run: RunArgument, store: StoreOption = DEFAULT_STORE) -> None:
    """Follow a run that goes on in another process."""
    from app.runs import watch_run

    watch_run(store, run)


@runs.command("retry")
def runs_retry(
    run: RunArgument,
    store: StoreOption = DEFAULT_STORE,
    price_in: PriceInOption = None,
    price_out: PriceOutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask again for what failed or is missing, with the judge as it was."""
    from app.runs import retry_run

    retry_run(store, run, price_in, price_out, as_json=as_json)


@labels.command("reparse")
def labels_reparse(
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="A run's id.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Read a run's stored replies again, by the parser of this version; asks nobody.

    \b
    Example: concord labels reparse --run 3f2a
    """
    from app.labelling import run_reparse

    run_reparse(store, run, as_json=as_json)


CriterionOption = Annotated[str | None, typer.Option(help="Which criterion's labels.")]
MajorityOption = Annotated[
    Majority, typer.Option(help="mode: a split mode is a tie; sign: of the mean label.")
]
UnparsedOption = Annotated[
    Unparsed, typer.Option(help="Replies without a verdict: left out, a tie, or wrong.")
]
TiesOption = Annotated[
    Ties, typer.Option(help="A tie is a class of its own, left out, or half of each.")
]


@app.command()
def report(
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    report_format: FormatOption = None,
    section: Annotated[
        list[str] | None,
        typer.Option(
            help="agreement, chance, replacement, calibration, ranking, consistency, humans, "
            "dawid_skene, bias or cost. Repeatable; default: agreement, bias and cost."
        ),
    ] = None,
    judge: Annotated[
        list[str] | None, typer.Option("--judge", "-j", help="Only this judge. Repeatable.")
    ] = None,
    criterion: CriterionOption = None,
    majority: MajorityOption = Majority.MODE,
    unparsed: UnparsedOption = Unparsed.DROP,
    ties: TiesOption = Ties.CLASS,
    slice_by: Annotated[Slices | None, typer.Option("--slice", help="Show slices by this.")] = None,
    slices: Annotated[
        bool, typer.Option("--slices", help="Show slices by category (files always do).")
    ] = False,
    wide: Annotated[bool, typer.Option("--wide", help="All columns.")] = False,
    intervals: Annotated[
        bool,
        typer.Option(
            help="Without: estimates alone, for very large data sets (by default of agreement); "
            "replacement, calibration and ranking keep theirs."
        ),
    ] = True,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; html needs one.", dir_okay=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Agreement, position, length and cost of both sources, with 95% intervals over prompts.

    \b
    Examples:
      concord report --dataset mine
      concord report --dataset mine --section agreement --slices
      concord report --dataset mine --section chance --section ranking
      concord report --dataset mine --ties drop --judge gpt-4
      concord report --dataset mine --format json > mine.json
      concord report --dataset mine --format html --out mine.html
    """  # fmt: skip
    from app.reporting import Wanted, run_report

    chosen = _form(report_format, as_json=as_json)
    wanted = Wanted(
        dataset, tuple(section or ()), tuple(judge or ()), criterion, majority, unparsed, ties,
        slice_by or Slices.CATEGORY, intervals,
    )  # fmt: skip
    run_report(store, wanted, chosen, out, slices=slices or slice_by is not None, wide=wide)


@app.command()
def card(
    judge: Annotated[str, typer.Argument(help="A judge of the data set.")],
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    criterion: CriterionOption = None,
    majority: MajorityOption = Majority.MODE,
    unparsed: UnparsedOption = Unparsed.DROP,
    form: Annotated[CardForm, typer.Option("--format", help="What to print.")] = CardForm.TEXT,
    as_json: JsonOption = False,
) -> None:
    """A judge's bias on one page: what was found, what was not, what this data cannot say.

    \b
    Example: concord card gpt-4 --dataset mine --format markdown > gpt-4.md
    """
    from app.card import run_card
    from pipelines.sections.view import MajorityRule, Rules, UnparsedRule

    rules = Rules(MajorityRule(majority), UnparsedRule(unparsed))
    run_card(store, judge, dataset, criterion, rules, CardForm.JSON if as_json else form)


@app.command()
def power(
    points: Annotated[
        float, typer.Option(help="The difference to be found, or the precision, in points.")
    ] = 2.0,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Measure what is assumed on its labels.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Say how many comparisons, orders and humans a question takes.

    \b
    Examples:
      concord power --points 3
      concord power --points 2 --dataset mine
    """
    from app.planning import run_power

    run_power(store, dataset, points, as_json=as_json)


@app.command()
def strategy(
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    budget: Annotated[
        float | None, typer.Option(help="Most quality for at most so many US dollars.")
    ] = None,
    quality: Annotated[
        float | None, typer.Option(help="Least cost for at least this share of matches: 0.8.")
    ] = None,
    tradeoff: Annotated[
        float | None,
        typer.Option(help="US dollars that a point of quality is worth on 1,000 comparisons."),
    ] = None,
    comparisons: Annotated[
        int, typer.Option(min=1, max=1_000_000_000, help="How many are to be labelled.")
    ] = 1000,
    judge: Annotated[
        list[str] | None, typer.Option(help="Only this judge, and others named so. Repeatable.")
    ] = None,
    criterion: Annotated[str | None, typer.Option(help="A criterion of the labels.")] = None,
    by: Annotated[
        Slices | None, typer.Option(help="Choose for each slice too: category, length, models.")
    ] = None,
    match: Annotated[
        Matches,
        typer.Option(
            help="What a label is to match: human (one), or majority; or reward: what a reward "
            "model that is fitted to such labels matches."
        ),
    ] = Matches.HUMAN,
    unparsed: Annotated[
        Unparsed, typer.Option(help="Replies without a verdict: drop, tie or wrong.")
    ] = Unparsed.DROP,
    everything: Annotated[bool, typer.Option("--all", help="Show every strategy.")] = False,
    save: Annotated[
        Path | None, typer.Option(help="Write the recommended one as a policy file (.toml).")
    ] = None,
    choose: Annotated[
        str | None, typer.Option(help="Save the strategy of this name instead.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say which feedback to buy: humans, a judge, a jury, or a judge with some sent to humans.

    Quality is how often a label matches a human who had no part in it; prices are those of the
    labels, or of `concord price`.

    \b
    Examples:
      concord strategy --dataset mine --budget 2000 --comparisons 10000
      concord strategy --dataset mine --quality 0.85
      concord strategy --dataset mine --tradeoff 5 --by category
      concord strategy --dataset mine --budget 2000 --save policy.toml
    """
    from app.routing import save_of
    from app.strategy import run_strategy
    from pipelines.sections.view import Rules, UnparsedRule
    from pipelines.strategy import Goal, Match

    goal = Goal(comparisons, budget, quality, tradeoff)
    rules = Rules(unparsed=UnparsedRule(unparsed))
    run_strategy(
        store, dataset, criterion, judge or (), rules, goal, by, Match(match),
        everything=everything, as_json=as_json, save=save_of(save, choose, force=force),
    )  # fmt: skip


@app.command()
def audit(
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            "--judge",
            "-j",
            help="Audit by this judge. Repeatable; default: the one with most labels.",
        ),
    ] = None,
    criterion: CriterionOption = None,
    budget: Annotated[
        float | None,
        typer.Option(max=1e12, help="Say what to buy for at most so many US dollars."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Win rates and agreement of all comparisons, from many AI labels and few human ones (PPI++).

    \b
    Examples:
      concord audit --dataset mine
      concord audit --dataset mine --judge gpt-4 --judge claude --budget 200
    """  # fmt: skip
    from app.auditing import run_audit

    run_audit(store, dataset, criterion, judge or (), budget, as_json=as_json)


@app.command()
def route(
    policy: Annotated[Path, typer.Option(help="A file that `concord strategy --save` wrote.")],
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    audit: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of the AI labels that a human checks; default: the policy's."
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--out", help="Write every comparison's route: .csv, .jsonl or .parquet."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be assigned; store nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Apply a policy: which comparisons go to humans, and which keep the AI label.

    Some of those that keep it are drawn for an audit. Who goes to a human is stored, with the
    probability of being asked; the same command again changes nothing.

    \b
    Examples:
      concord route --policy policy.toml --dataset new --dry-run
      concord route --policy policy.toml --dataset new --audit 0.1 --out routes.csv
    """
    from app.routing import run_route

    run_route(
        store, dataset, policy, audit, to, dry_run=dry_run, force=force, as_json=as_json
    )  # fmt: skip


@app.command("best-of")
def best_of(
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    train_on: Annotated[
        list[str] | None,
        typer.Option(
            help="Fit a reward model to the labels of `humans` (the default) or of this annotator. "
            "Repeatable."
        ),
    ] = None,
    criterion: Annotated[str | None, typer.Option(help="A criterion of the labels.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what each source would select among several responses, and what humans say of it.

    Needs prompts with three responses or more that humans compared with each other.

    \b
    Examples:
      concord best-of --dataset mine
      concord best-of --dataset mine --train-on humans --train-on gpt-5.4-mini
    """
    from app.best_of import run_best_of

    run_best_of(store, dataset, criterion, train_on or (), as_json=as_json)


@app.command()
def learn(
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    sizes: Annotated[
        str, typer.Option(help="Numbers of labels to fit to; all there are as well.")
    ] = "25,50,100,200,400,700",
    judge: Annotated[
        list[str] | None, typer.Option(help="Only this judge, and others named so. Repeatable.")
    ] = None,
    criterion: Annotated[str | None, typer.Option(help="A criterion of the labels.")] = None,
    group: Annotated[
        str | None,
        typer.Option(help="A key of the metadata that stands for the category to hold out."),
    ] = None,
    human_share: Annotated[
        float, typer.Option(help="The share of a hybrid's labels that are a human's.")
    ] = 0.3,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="KEY=VALUE: ridge, style_weight, style, ngrams, buckets. Repeatable."),
    ] = None,
    embedding: Annotated[
        str | None, typer.Option(help="A LiteLLM embedding model in place of n-grams. It costs.")
    ] = None,
    comparisons: Annotated[
        int, typer.Option(min=40, help="At most so many comparisons take part.")
    ] = 2000,
    repeats: Annotated[
        int, typer.Option(min=1, max=1000, help="How often all folds are drawn.")
    ] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of folds, of labels and of their order.")] = 0,
    unparsed: Annotated[
        UnparsedPairs, typer.Option(help="Replies without a verdict: drop or tie.")
    ] = UnparsedPairs.DROP,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Instead of all that: fit one reward model and write it as a judge file."
        ),
    ] = None,
    train_on: Annotated[
        str, typer.Option(help="Whose labels, with --save: humans, or an annotator.")
    ] = "humans",
    force: Annotated[bool, typer.Option("--force", help="Replace files, with --save.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Learning curves: what scorers fitted to labels match of humans' held-out votes.

    Imitation of chosen answers, and reward models on comparisons of one human, of each judge, and
    of both, with the same features, on prompts and on categories that they have not seen.

    \b
    Examples:
      concord learn --dataset mine
      concord learn --dataset mine --sizes 50,200,800 --judge gpt-4 --recipe ridge=3
      concord learn --dataset mine --save rm.toml && concord label --judge rm.toml --dataset mine
    """
    from app.learning import recipe_of, run_learn, sizes_of
    from app.reward_modelling import run_save
    from pipelines.lessons import Plan
    from pipelines.sections.view import Rules, UnparsedRule

    chosen = recipe_of(recipe or (), embedding)
    if save is not None:
        run_save(store, dataset, criterion, train_on, save, chosen, judge or (), force=force,
                 as_json=as_json)  # fmt: skip
        return
    plan = Plan(
        chosen, sizes_of(sizes), repeats=repeats, seed=seed,
        human_share=human_share, most_comparisons=comparisons,
    )  # fmt: skip
    rules = Rules(unparsed=UnparsedRule(unparsed))
    run_learn(store, dataset, criterion, judge or (), rules, plan, group, as_json=as_json)


@app.command("compare")
def compare_(
    first: Annotated[str, typer.Argument(metavar="JUDGE", help="A judge of the data set.")],
    second: Annotated[str, typer.Argument(metavar="JUDGE", help="Another one.")],
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    criterion: CriterionOption = None,
    majority: MajorityOption = Majority.MODE,
    unparsed: UnparsedOption = Unparsed.DROP,
    ties: TiesOption = Ties.CLASS,
    as_json: JsonOption = False,
) -> None:
    """Two judges on the comparisons that both labelled: a paired difference, not two intervals.

    \b
    Example: concord compare gpt-4 longer --dataset mine
    """
    from app.reporting import Wanted, run_compare

    wanted = Wanted(dataset, (), (first, second), criterion, majority, unparsed, ties)
    run_compare(store, wanted, as_json=as_json)


@app.command()
def simulate(
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Name of the data set to make.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with the world's settings.")
    ] = None,
    prompts: Annotated[int | None, typer.Option(help="How many prompts.")] = None,
    comparisons_per_prompt: Annotated[int | None, typer.Option(help="Of each prompt.")] = None,
    humans: Annotated[int | None, typer.Option(help="How many humans.")] = None,
    judges: Annotated[
        int | None, typer.Option(min=0, help="How many judges, from sharp to noisy.")
    ] = None,
    position_bias: Annotated[
        float | None, typer.Option(help="Of all judges, for the response shown first.")
    ] = None,
    length_bias: Annotated[
        float | None, typer.Option(help="Of all judges, for the longer response.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed draws another world.")] = None,
    template: Annotated[
        bool, typer.Option("--template", help="Print a file with every setting and stop.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a data set whose truth is known: what the report finds can be checked against it.

    \b
    Examples:
      concord simulate --dataset known --judges 3 --position-bias 0.5
      concord simulate --template > world.toml
      concord simulate --dataset mine --config world.toml
    """  # fmt: skip
    from app.simulating import Wanted, run_simulate

    wanted = Wanted(
        prompts, comparisons_per_prompt, humans, judges, position_bias, length_bias, seed
    )
    run_simulate(store, dataset, config, wanted, as_template=template, as_json=as_json)


@app.command()
def export(
    to: Annotated[
        Path,
        typer.Argument(help="A .csv, .jsonl or .parquet file; a folder too, for pairs."),
    ],
    dataset: DatasetOption = None,
    store: StoreOption = DEFAULT_STORE,
    pairs: Annotated[
        str | None,
        typer.Option(
            help="Chosen and rejected responses for training instead, by `majority` (of the "
            "humans), by this annotator, or by jury:ONE,OTHER."
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Such pairs, by whom this policy file sends them to.")
    ] = None,
    unparsed: Annotated[
        UnparsedPairs | None,
        typer.Option(help="Replies without a verdict in pairs: drop (default) or tie."),
    ] = None,
    test_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Of the prompts, kept for testing, with --pairs.")
    ] = 0.1,
    criterion: Annotated[str | None, typer.Option(help="A criterion, with --pairs.")] = None,
    spreadsheet: Annotated[
        bool,
        typer.Option(
            "--spreadsheet",
            help="A CSV of labels to look at in a spreadsheet: an apostrophe goes before text "
            "that it would run as a formula. Not for importing again.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write all labels of a data set, or preference pairs to train a reward model or DPO with.

    Labels have the columns that `concord import` reads. Pairs have prompt, chosen, rejected
    (as TRL reads them), margin, source, comparison_id and split: no prompt is in two splits.
    A folder gets Parquet files and a card, as load_dataset("FOLDER") of Hugging Face reads them.

    \b
    Examples:
      concord export labels.csv --dataset mine
      concord export pairs.jsonl --dataset mine --pairs majority
      concord export pairs.parquet --dataset mine --pairs gpt-5.4-mini --test-share 0.2
      concord export pairs --dataset mine --policy policy.toml
    """
    from app.browsing import WantedPairs, run_export, run_export_pairs

    if pairs is None and policy is None:
        run_export(store, dataset, to, force=force, spreadsheet=spreadsheet, as_json=as_json)
    elif spreadsheet:
        raise InputError("--spreadsheet is for labels", "Leave it out for pairs.")
    else:
        wanted = WantedPairs(pairs, policy, test_share, criterion, unparsed)
        run_export_pairs(store, dataset, to, wanted, force=force, as_json=as_json)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="A SELECT.")],
    store: StoreOption = DEFAULT_STORE,
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 1000,
    sql_format: FormatOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the store in SQL; read-only, without access to other files.

    \b
    Example: concord sql "SELECT kind, count(*) FROM annotators GROUP BY kind"
    """
    from app.browsing import run_sql

    run_sql(store, query, limit, _form(sql_format, as_json=as_json))


@app.command("app")
def app_(store: StoreOption = DEFAULT_STORE, port: PortOption = 8501) -> None:
    """Open the dashboard on 127.0.0.1."""
    from app.demo import serve_app

    serve_app(store, port)


@app.command()
def doctor(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Check the installation: versions, name collisions, store, keys."""
    from app.doctor import run_doctor

    run_doctor(store, as_json=as_json)


def main() -> None:
    """Run the command line; an error is one line what and where, and one line what to do."""
    _open_closed_streams()
    try:
        _check_arguments(sys.argv[1:])
        app()
    except ConcordError as error:
        _fail(error, error.what, error.fix, error.exit_code)
    except SystemExit as ended:
        if ended.code == 130:  # what typer makes of an interrupt
            _say_stopped()
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        _say_stopped()
        sys.exit(130)
    except OSError as error:
        where = "" if error.filename is None else f": {str(error.filename)[:300]}"
        what = f"{error.strerror or error}{where}"
        _fail(error, what, "Check the path, the permissions and the free space.", 1)
    except Exception as error:
        what = f"unexpected {type(error).__name__}: {str(error)[:300]}"
        _fail(error, what, "This is a fault of Concord: report it with `concord --debug ...`.", 1)


def _say_stopped() -> None:
    sys.stderr.write("stopped: nothing was stored by half, and what was received is kept\n")


def _open_closed_streams() -> None:
    """Started with a closed stream (`>&-`): the next file that is opened would take its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 (until the end)


def _check_arguments(arguments: list[str]) -> None:
    """Half characters stand for bytes that are not UTF-8: no format and no store takes them."""
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise InputError(
                f"the argument {argument!r} is not UTF-8", "Rename the file, or write another name."
            )


def _fail(error: Exception, what: str, fix: str, exit_code: int) -> None:
    if os.environ.get("CONCORD_DEBUG"):
        raise error
    sys.stderr.write(f"error: {_one_line(what)}\n" + (f"  {_one_line(fix)}\n" if fix else ""))
    sys.exit(exit_code)


def _one_line(text: str) -> str:
    """Without control characters, which may stand in names and paths: a terminal obeys those."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


if __name__ == "__main__":
    main()
