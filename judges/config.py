"""Judge files: TOML to Judge. Errors name the file and the key."""

from __future__ import annotations

import json
import re
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    field_validator,
)

from data.errors import JudgeError
from data.records import OVERALL
from judges.baselines import BASELINES
from judges.constitution import Constitution, read_principles
from judges.examples import read_examples
from judges.judge import Judge, Orders, Output, Price, Transport
from judges.jury import Jury
from judges.kinds.pairwise import Pairwise
from judges.kinds.ranking import MOST, Ranking
from judges.kinds.rating import Rating
from judges.kinds.rubric import CRITERIA, Rubric
from judges.kinds.soft import ALTERNATIVES, BARE, Soft
from judges.parsing import DEFAULT_PATTERN, Menu
from judges.pricing import LIMITS
from judges.prompts import FIELDS, parse_template, read_template
from judges.reward_model import RewardModel, Settings, read_scorer
from judges.verifier import Check, Verifier, split_function

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from judges.kinds.kind import Kind
    from judges.prompts import Template
    from judges.task import AnyJudge

LIBRARY = Path(__file__).with_name("library")
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Name = Annotated[str, Field(pattern=r"^[\w.@/:+ -]{1,80}$")]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
ADDRESS = re.compile(r"https?://[^\s/?#@]+([/?#]\S*)?")
# Set elsewhere, or LiteLLM would answer from somewhere else, several times or not as asked.
NOT_PARAMETERS = frozenset(
    {"model", "messages", "api_base", "base_url", "timeout", "max_retries", "num_retries"}
    | {"n", "stream", "mock_response", "fallbacks", "model_list", "drop_params", "shared_session"}
)
_SECRET = re.compile(
    r"(^|_)((api_?|access_|subscription_)key|token|secret|password|credentials?|authorization)$"
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PriceSection(_Strict):
    """`[price]`: US dollars per million tokens."""

    input_usd_per_million_tokens: NotNegative
    output_usd_per_million_tokens: NotNegative


class VerdictSection(_Strict):
    """`[verdict]`: what the template asks the model to answer."""

    first: str = "1"
    second: str = "2"
    tie: str = "tie"
    ties: StrictBool = True
    pattern: str | None = None


class SoftSection(_Strict):
    """`[soft]`: log-probabilities, and samples where a provider returns none."""

    alternatives: Annotated[int, Field(ge=2, le=20, strict=True)] = ALTERNATIVES
    fallback_samples: Annotated[int, Field(ge=0, le=100, strict=True)] = 0


class ScaleSection(_Strict):
    """`[scale]`: of a rating."""

    low: Finite = 1
    high: Finite = 10


class RankingSection(_Strict):
    """`[ranking]`: how many responses fit into one list."""

    most: StrictInt = MOST


class VerifierSection(_Strict):
    """`[verifier]`: how responses are checked against the reference."""

    check: Check
    tolerance: NotNegative = 1e-6
    ignore_case: StrictBool = False
    extract: str | None = None
    reference: str | None = None
    function: str | None = None


class KindName(StrEnum):
    """What a judge asks, or how it labels without asking."""

    PAIRWISE = "pairwise"
    SOFT = "soft"
    RATING = "rating"
    RUBRIC = "rubric"
    RANKING = "ranking"
    JURY = "jury"
    VERIFIER = "verifier"
    REWARD_MODEL = "reward_model"


class JudgeFile(_Strict):
    """A judge file, key by key."""

    name: Name
    kind: KindName = KindName.PAIRWISE
    model: Annotated[str, Field(min_length=1)] | None = None
    members: tuple[str, ...] = ()
    template: str | None = None
    criterion: Name = OVERALL
    orders: Orders | None = None
    samples: Annotated[int, Field(ge=1, le=100, strict=True)] = 1
    output: Output = Output.TEXT
    principles: str | None = None
    principle_seed: StrictInt = 0
    examples: str | None = None
    api_base: str | None = None
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    api_key_file: Annotated[str, Field(min_length=1)] | None = None
    transport: Transport = Transport.LITELLM
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    verdict: VerdictSection = VerdictSection()
    soft: SoftSection = SoftSection()
    scale: ScaleSection = ScaleSection()
    criteria: dict[str, str] = Field(default_factory=dict)
    ranking: RankingSection = RankingSection()
    verifier: VerifierSection | None = None
    reward_model: Settings | None = None
    price: PriceSection | None = None

    @field_validator("api_base")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not ADDRESS.fullmatch(value):
            raise ValueError("not an address such as http://127.0.0.1:8000/v1, without a password")
        return value

    @field_validator("parameters")
    @classmethod
    def _can_be_sent(cls, values: dict[str, Any]) -> dict[str, Any]:
        """They are part of the judge's identity and are stored with it: no secret may be here."""
        for name in values:
            if name in NOT_PARAMETERS:
                raise ValueError(f"{name} cannot be set here")
        for name in LIMITS:
            limit = values.get(name, 1)
            if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
                raise ValueError(f"{name} is not a number of tokens")
        for name in _names(values):
            if _SECRET.search(name.lower().replace("-", "_")):
                raise ValueError(f"{name} looks like a key: use api_key_env or api_key_file")
        try:
            json.dumps(values, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"cannot be sent as JSON ({error})") from error
        return values


def _names(value: Any) -> Iterator[str]:
    """All keys of nested tables."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def library() -> dict[str, Path]:
    """The judge files that ship with the project, by name."""
    found = {path.stem: path for path in LIBRARY.glob("*.toml")}
    return dict(sorted(found.items()))


def find_judge(name: str) -> Path:
    """A judge file by its path, or a shipped one by its name."""
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return path
    if name in library():
        return library()[name]
    if path.suffix == ".toml":
        raise JudgeError(f"no judge file {name}", "Check the path.")
    raise JudgeError(
        f"no judge {name!r}",
        f"Give the path of a .toml file, or one of: {', '.join([*library(), *BASELINES])}.",
    )


OF_KIND = {
    "soft": (KindName.SOFT,),
    "scale": (KindName.RATING,),
    "criteria": (KindName.RUBRIC,),
    "ranking": (KindName.RANKING,),
    "verifier": (KindName.VERIFIER,),
    "reward_model": (KindName.REWARD_MODEL,),
    "members": (KindName.JURY,),
    "verdict": (KindName.PAIRWISE, KindName.SOFT, KindName.RUBRIC),
    "examples": (KindName.PAIRWISE, KindName.SOFT),
    "output": (KindName.PAIRWISE, KindName.RATING, KindName.RUBRIC, KindName.RANKING),
}
EVERY_KIND = ("prompt", "reference", "answer", "mark")  # fields of any template
WITHOUT_MODEL = (KindName.JURY, KindName.VERIFIER, KindName.REWARD_MODEL)
MODEL_KEYS = (
    *("model", "template", "samples", "parameters", "price", "principles", "principle_seed"),
    *("transport", "api_base", "api_key_env", "api_key_file"),
    *("requests_per_minute", "tokens_per_minute"),
)
# Of [verdict]: a soft judge has no tie, and a rubric finds its verdicts by the criteria's names.
NOT_OF_VERDICT = {KindName.SOFT: ("tie",), KindName.RUBRIC: ("pattern",)}


@dataclass(frozen=True, slots=True)
class Source:
    """A judge file with the texts that it names, and its members' sources: all that a judge is."""

    file: JudgeFile
    texts: Mapping[str, str]
    members: tuple[Source, ...] = ()

    def describe(self) -> dict[str, Any]:
        """JSON-ready; `source_of` reads it again."""
        return {
            "file": self.file.model_dump(mode="json", exclude_unset=True),
            "texts": dict(self.texts),
            "members": [member.describe() for member in self.members],
        }


def source_of(described: Mapping[str, Any]) -> Source:
    """The source that `describe` wrote down."""
    members = tuple(source_of(member) for member in described["members"])
    return Source(JudgeFile.model_validate(described["file"]), described["texts"], members)


def read_judge(path: Path) -> AnyJudge:
    """The judge that a file describes. Raises JudgeError with the file and the key."""
    return build(read_source(path), str(path))


def read_source(path: Path) -> Source:
    """The file and the texts it names, without building the judge."""
    return _source(_read_file(path), path)


def _read_file(path: Path) -> JudgeFile:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeError(f"cannot read {path}: {error}", "Check path and encoding.") from error
    except (ValueError, RecursionError) as error:  # ValueError: an integer without end too
        raise JudgeError(f"{path}: not TOML: {error}", "Mend that line.") from error
    try:
        file = JudgeFile.model_validate(raw)
    except ValidationError as error:
        raise JudgeError(f"{path}: {_problems(error)}", _KEYS) from error
    _check_keys(file, path)
    return file


def _source(file: JudgeFile, path: Path) -> Source:
    members = tuple(_member(name, path) for name in file.members)
    return Source(_with_key_path(file, path), _texts(file, path), members)


def _member(name: str, path: Path) -> Source:
    """The source of a jury's member; a jury is none, so that no jury holds itself."""
    with _at(path, "members"):
        found = find_judge(_beside(name, path))
        file = _read_file(found)
        if file.kind in WITHOUT_MODEL:
            raise JudgeError(f"{name} has no model", "Name judges that have one.")
        return _source(file, found)


_KEYS = "Known keys: " + ", ".join(JudgeFile.model_fields) + "."


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
        for item in found[:3]
    )


def _check_keys(file: JudgeFile, path: Path) -> None:
    """Every key must mean something for this kind: a key that does nothing misleads."""
    for key, fix in _idle_keys(file):
        raise JudgeError(f"{path}: {key} means nothing for kind = {file.kind.value!r}", fix)
    if file.model is None and file.kind not in WITHOUT_MODEL:
        raise JudgeError(f"{path}: model: Field required", _KEYS)
    if "principle_seed" in file.model_fields_set and file.principles is None:
        raise JudgeError(f"{path}: principle_seed means nothing without principles", "Remove it.")
    if file.samples > 1 and file.parameters.get("temperature") == 0:
        raise JudgeError(
            f"{path}: samples: {file.samples} samples at temperature 0 are the same one",
            "Set a temperature above 0, or samples = 1.",
        )


def _idle_keys(file: JudgeFile) -> Iterator[tuple[str, str]]:
    """Keys that are given and mean nothing, with what to do about them."""
    given = file.model_fields_set
    for key, kinds in OF_KIND.items():
        if key in given and file.kind not in kinds:
            yield key, f"It belongs to: {', '.join(kind.value for kind in kinds)}."
    if file.kind in WITHOUT_MODEL:
        yield from ((key, "Remove it.") for key in MODEL_KEYS if key in given)
    for key in NOT_OF_VERDICT.get(file.kind, ()):
        if key in file.verdict.model_fields_set:
            yield f"verdict.{key}", "Remove it."


def _beside(name: str, path: Path) -> str:
    return str(path.parent / name) if name.endswith(".toml") else name


def _with_key_path(file: JudgeFile, path: Path) -> JudgeFile:
    """The key file is named relative to the judge file."""
    if file.api_key_file is None:
        return file
    found = path.parent.absolute() / file.api_key_file
    return file.model_copy(update={"api_key_file": str(found)})


def _texts(file: JudgeFile, path: Path) -> dict[str, str]:
    """The texts that a file names: template, principles, examples, the function's source.

    Of a reward model, whose numbers are no text, where they are.
    """
    texts = {}
    if file.kind not in WITHOUT_MODEL:
        with _at(path, "template"):
            texts["template"] = read_template(file.template or default_template(file), path.parent)
    for key in ("principles", "examples"):
        name = getattr(file, key)
        if name is not None:
            texts[key] = _read_text(_named(name, path.parent), f"{path}: {key}")
    if file.verifier is not None and file.verifier.function is not None:
        with _at(path, "verifier.function"):
            texts["function"] = split_function(file.verifier.function, path.parent)[1]
    if file.reward_model is not None:
        texts["weights"] = str(path.parent.absolute() / file.reward_model.weights)
    return texts


def _named(name: str, folder: Path) -> Path:
    """A file beside the judge file, or shipped principles by their name alone."""
    shipped = LIBRARY / f"{name}.txt"
    return shipped if name == Path(name).stem and shipped.is_file() else folder / name


def _read_text(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise JudgeError(f"{where}: cannot read {path}: {error}", "Check the path.") from error


def default_template(file: JudgeFile) -> str:
    """The shipped template that suits a file which names none."""
    if file.principles is not None:
        return "constitution"
    if file.examples is not None:
        return "few-shot"
    return file.kind.value


def _check_pattern(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise JudgeError(f"not a regular expression ({error})", "Mend the pattern.") from error
    if groups == 0:
        raise JudgeError("it has no group", "Put the part that names the choice into parentheses.")


@contextmanager
def _at(where: object, key: str) -> Iterator[None]:
    """A JudgeError of the block names the judge file and the key as well."""
    try:
        yield
    except JudgeError as error:
        raise JudgeError(f"{where}: {key}: {error.what}", error.fix) from error


def build(source: Source, where: str) -> AnyJudge:
    """The judge of a source; errors name `where` and the key."""
    file = source.file
    if file.kind is KindName.JURY:
        return _jury(source, where)
    if file.kind is KindName.VERIFIER:
        return _verifier(source, where)
    if file.kind is KindName.REWARD_MODEL:
        return _reward_model(source, where)
    return _model_judge(source, where)


def _jury(source: Source, where: str) -> Jury:
    members = []
    for each in source.members:
        member = build(each, f"{where}: {each.file.name}")
        if not isinstance(member, Judge):
            raise JudgeError(f"{where}: members: {each.file.name} has no model", "Name models.")
        members.append(member)
    file = source.file
    with _at(where, "members"):
        orders = file.orders or Orders.BOTH
        jury = Jury(file.name, tuple(members), file.criterion, orders, source.describe())
        jury.check_members()
    with _at(where, "orders"):
        if orders is Orders.NONE:
            raise JudgeError("'none' is no order of this kind", "both, ab, ba or random.")
    return jury


def _verifier(source: Source, where: str) -> Verifier:
    section = source.file.verifier
    if section is None:
        raise JudgeError(f"{where}: [verifier] is missing", "Name at least its check.")
    if (section.check is Check.PYTHON) != (section.function is not None):
        raise JudgeError(
            f"{where}: verifier.function goes with check = 'python'", "Write FILE.py:FUNCTION."
        )
    with _at(where, "orders"):
        _unordered(source.file)
    judge = Verifier(
        source.file.name,
        section.check,
        section.tolerance,
        section.ignore_case,
        section.extract,
        section.reference,
        section.function and section.function.rpartition(":")[2],
        source.texts.get("function"),
        source.file.criterion,
        file=source.describe(),
    )
    with _at(where, "verifier"):
        judge.check_itself()
    return judge


def _reward_model(source: Source, where: str) -> RewardModel:
    file = source.file
    if file.reward_model is None:
        raise JudgeError(f"{where}: [reward_model] is missing", "Make one: concord learn --save.")
    with _at(where, "orders"):
        _unordered(file)
    with _at(where, "reward_model"):
        scorer = read_scorer(Path(source.texts["weights"]), file.reward_model)
    return RewardModel(file.name, file.reward_model, scorer, file.criterion)


def _unordered(file: JudgeFile) -> Orders:
    if file.orders not in (None, Orders.NONE):
        raise JudgeError(
            f"the responses are not shown together: {file.orders} means nothing", "Remove it."
        )
    return Orders.NONE


def _kind(file: JudgeFile, where: str) -> Kind:
    if file.kind is KindName.RATING:
        with _at(where, "scale"):
            return Rating(file.scale.low, file.scale.high)
    if file.kind is KindName.RANKING:
        with _at(where, "ranking.most"):
            return Ranking(file.ranking.most)
    menu = _menu(file, where)
    if file.kind is KindName.SOFT:
        return Soft(menu, file.soft.alternatives, file.soft.fallback_samples)
    if file.kind is KindName.PAIRWISE:
        return Pairwise(menu)
    with _at(where, "criteria"):
        rubric = Rubric(file.criteria or CRITERIA, menu)
        if file.criterion in rubric.criteria:
            raise JudgeError(
                f"the criterion of the whole is {file.criterion!r}, as one of its parts",
                "Give `criterion` another name.",
            )
    return rubric


def _menu(file: JudgeFile, where: str) -> Menu:
    said, soft = file.verdict, file.kind is KindName.SOFT
    default = BARE if soft else DEFAULT_PATTERN
    pattern = default if said.pattern is None else said.pattern
    with _at(where, "verdict.pattern"):
        _check_pattern(pattern)
    with _at(where, "verdict"):
        return Menu(said.first, said.second, said.tie if said.ties and not soft else None, pattern)


def _orders(file: JudgeFile, kind: Kind) -> Orders:
    if not kind.ordered:
        return _unordered(file)
    orders = file.orders or Orders.BOTH
    if orders is Orders.NONE or (kind.by_prompt and orders in (Orders.AB, Orders.BA)):
        raise JudgeError(f"{orders.value!r} is no order of this kind", "both or random.")
    return orders


def _model_judge(source: Source, where: str) -> Judge:
    file, texts = source.file, source.texts
    kind = _kind(file, where)
    with _at(where, "orders"):
        orders = _orders(file, kind)
    template = _template(source, kind, where)
    with _at(where, "principles"):
        principles = read_principles(texts["principles"]) if file.principles else None
        constitution = None if principles is None else Constitution(principles, file.principle_seed)
    with _at(where, "examples"):
        ties = file.verdict.ties and file.kind is not KindName.SOFT
        examples = (
            read_examples(texts["examples"], file.examples, ties=ties) if file.examples else None
        )
    return Judge(
        name=file.name,
        model=file.model or "",
        template=template,
        kind=kind,
        parameters=file.parameters,
        criterion=file.criterion,
        orders=orders,
        samples=file.samples,
        output=file.output,
        constitution=constitution,
        examples=examples,
        api_base=file.api_base,
        api_key_env=file.api_key_env,
        api_key_file=file.api_key_file,
        price=None if file.price is None else Price(**file.price.model_dump()),
        transport=file.transport,
        requests_per_minute=file.requests_per_minute,
        tokens_per_minute=file.tokens_per_minute,
        file=source.describe(),
    )


def _template(source: Source, kind: Kind, where: str) -> Template:
    """The checked template: it shows what the kind and the file fill, and nothing else."""
    file = source.file
    extra = [
        field
        for field, key in (("principle", file.principles), ("examples", file.examples))
        if key is not None
    ]
    with _at(where, "template"):
        name = file.template or default_template(file)
        template = parse_template(source.texts["template"], name, (*kind.needed, *extra))
        for field in FIELDS:
            if template.names(field) and field not in (*kind.needed, *extra, *EVERY_KIND):
                raise JudgeError(
                    f"{name}: nothing fills the field {{{{{field}}}}}: {FIELDS[field]}",
                    f"Take it out: the judge is of kind {file.kind.value!r}, and its file names "
                    f"{' and '.join(extra) or 'neither principles nor examples'}.",
                )
    return template
