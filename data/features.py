"""Features of a response: counts of what is seen in its text. Pure: Arrow texts in, numbers out.

Each is a regular expression whose matches are counted (RE2: linear time in any text), or a function
of a column. What a response lacks counts 0; a response without text has null.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its name, what is counted, in words, and the pattern that says so.

    Without a pattern words are counted. `once` gives 1 where there is any match.
    """

    name: str
    about: str
    pattern: str = ""
    once: bool = False

    def of(self, texts: pa.StringArray) -> pa.Array:
        """The feature of each text, as doubles; null where there is no text."""
        if self.once:
            found = pc.match_substring_regex(texts, self.pattern)
        elif self.pattern:
            found = pc.count_substring_regex(texts, self.pattern)
        else:
            found = _words(texts)
        return found.cast(pa.int32()).cast(pa.float64())


def _words(texts: pa.StringArray) -> pa.Array:
    """Pieces between blanks. Splitting is three times faster than counting matches."""
    trimmed = pc.utf8_trim_whitespace(texts)
    pieces = pc.list_value_length(pc.utf8_split_whitespace(trimmed))
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(0, pa.int32()), pieces)


def _phrases(*phrases: str) -> str:
    """Any of these as whole words, in any case."""
    return rf"(?i)\b(?:{'|'.join(phrases)})\b"


FEATURES = (
    Feature("words", "words"),
    Feature("list items", "lines that begin with a bullet or a number",
            r"(?m)^[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S"),
    Feature("headings", "Markdown headings", r"(?m)^[ \t]{0,3}#{1,6}[ \t]+\S"),
    Feature("bold", "passages in bold", r"\*\*[^*\s][^*\n]*\*\*|__[^_\s][^_\n]*__"),
    Feature("code", "code blocks and passages in code", r"(?m)^[ \t]*(?:```|~~~)|`[^`\n]+`"),
    Feature("hedges", "words of doubt: perhaps, might, seems, I think ...",
            _phrases("perhaps", "maybe", "might", "may", "could", "possibly", "probably", "likely",
                     "seems?", "appears?", "suggests?", "generally", "typically", "often",
                     "sometimes", "usually", "I think", "I believe", "I guess", "in my opinion",
                     "to some extent", "not sure", "uncertain")),
    Feature("refusal", "says that it cannot or will not help",
            _phrases("I(?: am|[’']m) (?:sorry|unable|not able)", "I (?:cannot|can[’']?t|won[’']t) "
                     "(?:help|assist|provide|do|answer|fulfil|fulfill|comply|create|write|give)",
                     "as an AI", "as a language model", "against my guidelines"), once=True),
    Feature("exclamation marks", "exclamation marks", "[!！]"),
    Feature("questions", "question marks", "[?？]"),
    Feature("politeness", "polite phrases: please, thank you, happy to, I hope ...",
            _phrases("please", "thank you", "thanks", "you(?:[’']re| are) welcome", "I hope",
                     "happy to", "glad to", "feel free", "let me know", "kindly", "I apologi[sz]e",
                     "great question")),
)  # fmt: skip


# Changes with any definition: what is stored under another one is counted again.
VERSION = sha256(repr(FEATURES).encode()).hexdigest()[:12]
