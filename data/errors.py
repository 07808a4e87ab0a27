"""Everything Concord raises on purpose.

    ConcordError            what happened and where; `fix` says what to do (exit code 1)
    ├── InputError          a file, a column, a value or an id that cannot be used (3)
    ├── StoreError          the store is missing, locked, damaged or newer than this program (4)
    ├── JudgeError          a judge file, a template or a setting that cannot be used (5)
    ├── ProviderError       no key, unknown model, refused by the provider (6)
    ├── PriceError          a price that is needed and not known (7)
    └── RunError            a run that could not start or did not finish (8)

Exit code 2 is a wrong command line, 130 an interrupt.
"""


class ConcordError(Exception):
    """What happened and where, in one line; `fix`, in one line, says what to do about it."""

    exit_code = 1

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


class InputError(ConcordError):
    """A file, a column, a value or an id that cannot be used."""

    exit_code = 3


class StoreError(ConcordError):
    """The store is missing, locked, damaged or newer than this program."""

    exit_code = 4


class JudgeError(ConcordError):
    """A judge file, a template or a setting that cannot be used."""

    exit_code = 5


class ProviderError(ConcordError):
    """The provider cannot be used: no key, unknown model, access refused."""

    exit_code = 6


class PriceError(ConcordError):
    """A price that is needed and not known."""

    exit_code = 7


class RunError(ConcordError):
    """A run that could not start or did not finish."""

    exit_code = 8
