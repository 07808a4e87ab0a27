"""A response as numbers: what a scorer that is fitted to labels sees of it.

The text's hashed n-grams by TF-IDF (or an embedding of it) with length 1, and beside them its style
features, standardised. Inverse document frequencies and scales are taken from responses, never from
labels: those of the training side, labelled or not, as a response costs nothing and a label does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from data.errors import InputError
from data.features import FEATURES
from judges.reward_model import MOST_BUCKETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Embed = Callable[[Sequence[str]], Floats]

# `layout` is little enough to be fitted to 25 labels; what more there is pays with some hundreds.
STYLES = {
    "layout": ("characters", "list items", "headings", "bold", "code"),
    "full": ("characters", "words", "distinct words", "distinct share", "word length",
             "punctuation", "sentences", "lines", "list items", "exclamation marks", "questions",
             "code"),
}  # fmt: skip
LENGTH = 0  # the place of characters in each
EMBEDDED_AT_ONCE = 64
RIDGES = 1e-9, 1e9  # beyond, nothing is learned and numbers overflow
MOST_STYLE_WEIGHT = 1e6
_WORD = r"(?u)\b\w+\b"
_PUNCTUATION, _SENTENCE_ENDS, _LINE_ENDS = map(re.compile, (r"[^\w\s]", r"[.!?]+", "\n"))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How responses become numbers, and how far weights are drawn to 0. Fixed before looking.

    `buckets`: a power of two, 2^20 at most. `ridge`: half of it times the squared weights is added
    to the sum of the log-losses. `embedding`: a LiteLLM model whose vectors take the place of the
    n-grams. `style`: of STYLES. Raises InputError for what cannot be.
    """

    ngrams: int = 2
    buckets: int = 2**14
    style_weight: float = 1.0
    ridge: float = 1.0
    style: str = "full"
    embedding: str | None = None

    def __post_init__(self) -> None:
        fits = 2 <= self.buckets <= MOST_BUCKETS and not self.buckets & (self.buckets - 1)
        if not 1 <= self.ngrams <= 5 or not fits:
            raise InputError(
                f"a recipe of {self.ngrams}-grams in {self.buckets:,} buckets",
                f"Give 1 to 5, and a power of two up to {MOST_BUCKETS:,}.",
            )
        if self.style not in STYLES:
            raise InputError(f"no style {self.style!r}", f"Give {' or '.join(STYLES)}.")
        least, most = RIDGES
        if not (least <= self.ridge <= most and 0 <= self.style_weight <= MOST_STYLE_WEIGHT):
            raise InputError(
                f"a recipe with ridge {self.ridge:g} and style weight {self.style_weight:g}",
                f"Give a ridge from {least:g} to {most:g} and a style weight from 0 to "
                f"{MOST_STYLE_WEIGHT:g}.",
            )

    def __str__(self) -> str:
        grams = "1-grams" if self.ngrams == 1 else f"1-{self.ngrams}-grams"
        text = f"TF-IDF of hashed {grams} ({self.buckets:,} buckets)"
        style = f"{self.style} style of weight {self.style_weight:g}"
        return f"{self.embedding or text}, {style}, ridge {self.ridge:g}"


RECIPE = Recipe()


class Embedder:
    """Texts to the vectors of a LiteLLM embedding model; each text is bought once.

    `usd` is what was paid, None where a price is not known; `n_texts` how many were embedded.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self.usd: float | None = 0.0
        self._known: dict[str, Floats] = {}

    @property
    def n_texts(self) -> int:
        """Different texts that were embedded."""
        return len(self._known)

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Vectors (n, d). Raises ProviderError where the model gives none."""
        from judges.litellm_client import embeddings

        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), EMBEDDED_AT_ONCE):
            batch = new[start : start + EMBEDDED_AT_ONCE]
            vectors, usd = embeddings(self.model, [text or " " for text in batch])
            self.usd = None if self.usd is None or usd is None else self.usd + usd
            self._known.update(zip(batch, np.array(vectors, dtype=float), strict=True))
        return np.stack([self._known[text] for text in texts])


def fit_idf(recipe: Recipe, responses: Sequence[str]) -> Floats:
    """Inverse document frequency (buckets,); unused, and empty, where texts are embedded."""
    if recipe.embedding is not None:
        return np.zeros(0)
    return idf_of(text_columns(recipe, responses))


def style_scale(responses: Sequence[str], style: str = RECIPE.style) -> Floats:
    """Mean and standard deviation (2, k) of the style features."""
    return scale_of(style_columns(responses, style))


def features_of(
    recipe: Recipe,
    responses: Sequence[str],
    idf: Floats,
    scale: Floats,
    embed: Embed | None = None,
) -> sparse.csr_matrix:
    """Features (n, d) of responses: text first, style last. `embed` is needed by an embedding."""
    text = text_columns(recipe, responses, embed)
    return combined(recipe, text, style_columns(responses, recipe.style), idf, scale)


# ---- the same in two steps: what is counted once, and what hangs on the training side


def text_columns(
    recipe: Recipe, responses: Sequence[str], embed: Embed | None = None
) -> sparse.csr_matrix:
    """Counts of hashed n-grams (n, buckets), or the embeddings (n, d).

    Raises ValueError where a recipe with an embedding comes without `embed`.
    """
    if recipe.embedding is not None:
        if embed is None:
            raise ValueError(f"nobody to ask for embeddings of {recipe.embedding}")
        return sparse.csr_matrix(embed(responses))
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing: Any = HashingVectorizer(
        n_features=recipe.buckets, ngram_range=(1, recipe.ngrams), token_pattern=_WORD,
        alternate_sign=False, norm=None,
    )  # fmt: skip
    return sparse.csr_matrix(hashing.transform(responses))


def style_columns(responses: Sequence[str], style: str = RECIPE.style) -> Floats:
    """log(1 + x) of the features of a style (n, k)."""
    texts = pa.array(responses, pa.string())
    counted = {feature.name: feature for feature in FEATURES}
    names = STYLES[style]
    columns = {name: counted[name].of(texts).to_numpy() for name in names if name in counted}
    columns["characters"] = pc.utf8_length(texts).to_numpy()
    if style == "full":
        columns |= _of_words(responses, columns)
    found: Floats = np.log1p(np.stack([columns[name] for name in names], axis=1).astype(float))
    return found


def _of_words(responses: Sequence[str], columns: Mapping[str, Floats]) -> dict[str, Floats]:
    """How many words are different, how long they are, and what stands between them."""
    words = np.where(columns["words"] > 0, columns["words"], np.inf)
    distinct = np.array([len(set(text.lower().split())) for text in responses], dtype=float)
    between = {"punctuation": _PUNCTUATION, "sentences": _SENTENCE_ENDS, "lines": _LINE_ENDS}
    counts = {
        name: np.array([len(pattern.findall(text)) for text in responses], dtype=float)
        for name, pattern in between.items()
    }
    shares = {"distinct share": distinct / words, "word length": columns["characters"] / words}
    return {"distinct words": distinct, **shares, **counts}


def idf_of(counts: sparse.csr_matrix) -> Floats:
    """log((1 + n) / (1 + responses with it)) + 1 of each bucket: never 0, known or not."""
    n, buckets = counts.shape
    found: Floats = np.log((1 + n) / (1 + np.bincount(counts.indices, minlength=buckets))) + 1
    return found


def scale_of(style: Floats) -> Floats:
    """Mean and standard deviation (2, k); 1 for a feature that does not vary."""
    spread = style.std(axis=0)
    return np.stack([style.mean(axis=0), np.where(spread > 0, spread, 1.0)])


def combined(
    recipe: Recipe, text: sparse.csr_matrix, style: Floats, idf: Floats, scale: Floats
) -> sparse.csr_matrix:
    """Features (n, d): text columns weighed and brought to length 1, then style columns."""
    weighed = text.copy()
    if recipe.embedding is None:
        weighed.data = (1 + np.log(weighed.data)) * idf[weighed.indices]
    length = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
    weighed.data /= np.repeat(np.where(length > 0, length, 1.0), np.diff(weighed.indptr))
    standard = recipe.style_weight * (style - scale[0]) / scale[1]
    return sparse.csr_matrix(sparse.hstack([weighed, standard], format="csr"))
