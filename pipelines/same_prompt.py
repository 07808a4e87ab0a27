"""Which comparisons are of one prompt, by its id or by its text.

An import may give one text under several ids. Who must not meet a prompt again, as what was fitted
to it, must not meet its text again either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from judges.reward_model import prompt_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.integer[Any]]


def same_prompt(prompt: Integers, texts: Sequence[str]) -> tuple[Integers, NDArray[np.uint64]]:
    """Of each comparison, from prompts' codes (m,) and texts: its prompt's code and digest (m,).

    Codes that share a text, and texts that share a code, are one prompt: its code is the smallest
    one, its digest the smallest of its texts', whatever else a data set holds.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    digests, text = np.unique(
        np.array([prompt_digest(each) for each in texts], np.uint64), return_inverse=True
    )
    size = len(digests) + int(prompt.max(initial=-1)) + 1
    links = coo_matrix((np.ones(len(text)), (text, len(digests) + prompt)), shape=(size, size))
    group = connected_components(links, directed=False)[1][text]
    least = np.full(size, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(least, group, digests[text])
    code = np.full(size, size)
    np.minimum.at(code, group, prompt)
    return code[group], least[group]
