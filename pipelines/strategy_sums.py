"""What strategies come to by prompt: all that choosing among them needs, at any price of a label.

Cost is linear in the humans' labels, so that other prices take neither the items nor the resamples
of the prompts anew.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.stats.choosing import may_be_best
from pipelines.stats.intervals import cluster_sums
from pipelines.stats.resampling import bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]


class PromptSums:
    """Of m strategies, by prompt (G, m): sums over the items of quality and of humans' labels.

    `n` (G,) are the items of each prompt. `usd` (m, 2), below: US dollars of a comparison for its
    judges, and of a human's label.
    """

    def __init__(
        self, quality: Sequence[Floats], labels: Sequence[Floats], prompts: NDArray[Any]
    ) -> None:
        """From quality and humans' labels, an array (n,) for each strategy, and prompts (n,)."""
        present = np.bincount(prompts)
        self.n = present[present > 0].astype(float)
        self.quality = np.stack([_by_prompt(each, prompts, self.n) for each in quality], axis=1)
        self.labels = np.stack([_by_prompt(each, prompts, self.n) for each in labels], axis=1)
        self._best: dict[bytes, Mask] = {}

    @cached_property
    def means(self) -> Floats:
        """Mean quality (m,)."""
        found: Floats = (np.ones(len(self.n)) @ self.quality) / self.n.sum()
        return found

    def costs(self, usd: Floats) -> Floats:
        """Mean cost (m,); NaN where a price that it takes is not known."""
        found: Floats = usd[:, 0] + usd[:, 1] * (np.ones(len(self.n)) @ self.labels) / self.n.sum()
        return found

    @cached_property
    def quality_replicates(self) -> Floats:
        """Mean quality (B, m) in resamples of the prompts."""
        return self._replicates(self.quality)

    @cached_property
    def _label_replicates(self) -> Floats:
        return self._replicates(self.labels)

    def cost_replicates(self, usd: Floats) -> Floats:
        """Mean cost (B, m) in the same resamples."""
        found: Floats = usd[:, 0] + usd[:, 1] * self._label_replicates
        return found

    def _replicates(self, sums: Floats) -> Floats:
        columns = np.column_stack([sums, self.n])
        return bootstrap(lambda totals: totals[:, :-1] / totals[:, -1:], columns)

    def may_be_best(self, allowed: Mask) -> Mask:
        """Which of those allowed cannot be told from the best of them in quality; made once."""
        key = allowed.tobytes()
        if key not in self._best:
            self._best[key] = may_be_best(self.means[allowed], self.quality_replicates[:, allowed])
        return self._best[key]

    def cost(self, usd: Floats) -> Floats:
        """Sums of the cost (G, m)."""
        found: Floats = usd[:, 0] * self.n[:, None] + usd[:, 1] * self.labels
        return found


def _by_prompt(values: Floats, prompts: NDArray[Any], n: Floats) -> Floats:
    """Sums (G,); of what is the same everywhere (stride 0) they are known."""
    if values.strides == (0,):
        return float(values[0]) * n
    return cluster_sums(values[:, None], prompts)[:, 0]
