"""Reward model: a scorer that was fitted to labels; it asks nobody and costs nothing.

Settings stand in the judge file, numbers beside it in one .npz. A prompt it was trained on is
scored by the model of its fold, which saw none of that fold's prompts; any other by the model of
all of them. Prompts are known by digests of their texts, so in whatever data set they come back.

The numbers are untrusted input: their size is bounded before they are read, the digest in the judge
file is compared before they are parsed, and nothing is ever unpickled.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from data.errors import JudgeError
from data.records import (
    OVERALL,
    Annotator,
    AnnotatorKind,
    LabelStatus,
    Preference,
    make_id,
)
from judges.judge import Orders
from judges.local import LocalAsking
from judges.task import Opinion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from uuid import UUID

    from numpy.typing import NDArray

    from judges.response_features import Recipe
    from judges.task import Task

    Floats = NDArray[np.float64]

FOLDS = 5
MOST_BUCKETS = 2**20
MOST_PROMPTS = 10_000_000
LARGEST = 1e30  # of the numbers: products of some of them are finite
_ROOM = 65_536  # bytes of a file beside its arrays
_FLOAT, _DIGEST, _FOLD = "<f8", "<u8", "|u1"
AGAIN = "Take the two files as they were written together, or train again: concord learn --save."
Text = Annotated[str, Field(min_length=1, max_length=400)]


def _count(least: int, most: int) -> Any:
    return Field(ge=least, le=most, strict=True)


class Settings(BaseModel):
    """`[reward_model]` of a judge file: what it was trained on, how, and where its numbers are.

    `prompts`: texts of prompts it was trained on. `digest`: of the numbers and of all that is said
    here, so that neither is changed without the other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Annotated[str, Field(pattern=r"^\w[\w. -]{0,200}\.npz$")]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    source: Text
    dataset: Text
    criterion: Text
    comparisons: Annotated[int, _count(1, 10**12)]
    prompts: Annotated[int, _count(1, MOST_PROMPTS)]
    folds: Annotated[int, _count(2, 100)]
    ngrams: Annotated[int, _count(1, 5)]
    buckets: Annotated[int, _count(2, MOST_BUCKETS)]
    style_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    ridge: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    style: Literal["layout", "full"]

    @property
    def recipe(self) -> Recipe:
        """How responses become numbers. Raises InputError for one that cannot be."""
        from judges.response_features import Recipe

        return Recipe(self.ngrams, self.buckets, self.style_weight, self.ridge, self.style)

    def digest_with(self, numbers: bytes) -> str:
        """The digest of these settings with the content of the .npz."""
        said = self.model_dump(exclude={"weights", "digest"})
        return sha256(json.dumps(said, sort_keys=True).encode() + b"\n" + numbers).hexdigest()

    def arrays(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of each array of the .npz."""
        from judges.response_features import STYLES

        models, styles = 1 + self.folds, len(STYLES[self.style])
        return {
            "weights": ((models, self.buckets + styles), _FLOAT),
            "idf": ((models, self.buckets), _FLOAT),
            "scale": ((models, 2, styles), _FLOAT),
            "known": ((self.prompts,), _DIGEST),
            "fold": ((self.prompts,), _FOLD),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """The model of all prompts (row 0) and that without fold k (row 1 + k): weights
    (1 + folds, d), idf (1 + folds, buckets), scale (1 + folds, 2, styles).

    `known` (m,): ascending digests of the prompts it was trained on, `fold` (m,) theirs.
    """

    recipe: Recipe
    weights: Floats
    idf: Floats
    scale: Floats
    known: NDArray[np.uint64]
    fold: NDArray[np.uint8]

    def fold_of(self, prompt: str | None) -> int | None:
        """The fold of a prompt it was trained on; None for any other."""
        if prompt is None:
            return None
        digest = np.uint64(prompt_digest(prompt))
        place = int(np.searchsorted(self.known, digest))
        found = place < len(self.known) and self.known[place] == digest
        return int(self.fold[place]) if found else None

    def scores(self, responses: Sequence[str], fold: int | None) -> Floats:
        """Scores (n,) of responses to prompts of one fold; None: to prompts it does not know."""
        from judges.response_features import features_of

        k = 0 if fold is None else 1 + fold
        features = features_of(self.recipe, responses, self.idf[k], self.scale[k])
        found: Floats = features @ self.weights[k]
        return found


def prompt_digest(prompt: str) -> int:
    """64 bits that stand for the text of a prompt."""
    return int.from_bytes(sha256(prompt.encode("utf-8", "surrogatepass")).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class RewardModel:
    """A scorer under a name. Equal where settings and numbers are, by their digest."""

    name: str
    settings: Settings
    scorer: Scorer = field(compare=False, repr=False)
    criterion: str = OVERALL
    orders: Orders = Orders.NONE
    by_prompt = False

    def annotator(self, name: str | None = None) -> Annotator:
        """The annotator its labels belong to: a judge, as its definition is more than its name."""
        said = self.settings.model_dump(exclude={"weights"})
        digest = str(make_id(self.settings.digest, self.criterion))
        definition = {"judge": self.name, "identity": digest, "criterion": self.criterion}
        return Annotator(
            AnnotatorKind.JUDGE, name or self.name, definition={**definition, "reward_model": said}
        )

    def annotators(self) -> tuple[Annotator, ...]:
        """Its own alone."""
        return (self.annotator(),)

    def reduced(self, model: str) -> None:
        """Nothing can be left out."""

    def asking(self, task: Task, secret: str, ids: Mapping[str, UUID]) -> LocalAsking:  # noqa: ARG002
        """Score both responses of a comparison, at once."""
        return LocalAsking(task, ids[self.name], self.criterion, self.opinion)

    def opinion(self, task: Task) -> Opinion:
        """The response with the higher score; equal scores are a tie."""
        from scipy.special import expit

        it = task.comparison
        fold = self.scorer.fold_of(it.prompt)
        a, b = map(float, self.scorer.scores([it.response_a or "", it.response_b or ""], fold))
        preference = Preference.TIE if a == b else Preference.A if a > b else Preference.B
        details = {"scores": {"a": a, "b": b}, "fold": fold}
        return Opinion(LabelStatus.OK, preference, float(expit(a - b)), details=details)


# ---- the numbers


def packed(scorer: Scorer) -> bytes:
    """The content of the .npz: the same numbers give the same bytes."""
    content = io.BytesIO()
    np.savez(
        content,
        allow_pickle=False,
        weights=scorer.weights.astype(_FLOAT),
        idf=scorer.idf.astype(_FLOAT),
        scale=scorer.scale.astype(_FLOAT),
        known=scorer.known.astype(_DIGEST),
        fold=scorer.fold.astype(_FOLD),
    )
    return content.getvalue()


def read_scorer(path: Path, settings: Settings) -> Scorer:
    """The numbers that belong to the settings. Raises JudgeError for any others."""
    arrays = settings.arrays()
    most = sum(_bytes(shape, kind) for shape, kind in arrays.values()) + _ROOM
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise JudgeError(f"cannot read {path}: {error.strerror or error}", AGAIN) from error
    if len(content) > most:
        raise JudgeError(f"{path} is larger than the settings say", AGAIN)
    if settings.digest_with(content) != settings.digest:
        raise JudgeError(f"{path} and these settings do not belong together (digest)", AGAIN)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = {name: _array(archive, name, *wanted) for name, wanted in arrays.items()}
        _check(found, settings)
        return Scorer(settings.recipe, **found)
    except Exception as error:  # a file made to break its reader may raise anything
        raise JudgeError(f"{path} does not hold what it should: {error}"[:300], AGAIN) from error


def _bytes(shape: tuple[int, ...], kind: str) -> int:
    return int(np.prod(shape)) * np.dtype(kind).itemsize


def _array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], kind: str) -> NDArray[Any]:
    """An array, whose header is compared with what is wanted before its content is read."""
    with archive.open(f"{name}.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} is of another version")
        header = np.lib.format.read_array_header_1_0(file)
        if header != (shape, False, np.dtype(kind)):
            raise ValueError(f"{name} is not {shape} of {kind}")
        content = file.read(_bytes(shape, kind) + 1)
    if len(content) != _bytes(shape, kind):
        raise ValueError(f"{name} has another length")
    return np.frombuffer(content, kind).reshape(shape)


def _check(arrays: Mapping[str, NDArray[Any]], settings: Settings) -> None:
    for name in ("weights", "idf", "scale"):
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} has a value that is no number")
        if (np.abs(arrays[name]) > LARGEST).any():
            raise ValueError(f"{name} has a value above {LARGEST:g}: no score would be a number")
    if (arrays["scale"][:, 1] < 1 / LARGEST).any():
        raise ValueError("scale has a spread of 0")
    known = arrays["known"]
    if (arrays["fold"] >= settings.folds).any() or (known[1:] <= known[:-1]).any():
        raise ValueError("its prompts are not in order, or in no fold")
