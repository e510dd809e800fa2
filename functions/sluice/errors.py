"""Every error that Sluice raises by name; Step Functions matches the class name, so renaming one is a breaking change.

Three families: the input is wrong (never retried), not ready (retried), failed (the run stops).
"""


class SluiceError(Exception):
    """Base of all errors that Sluice raises."""


class InvalidInputError(SluiceError):
    """The run's input is wrong; `field` names the part of it, such as source.delimiter."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class SourceNotFoundError(SluiceError):
    """The bucket, the object or the object's version does not exist, or may not be read."""


class TableNotFoundError(SluiceError):
    """The table does not exist, or is not ACTIVE."""


class SourceMalformedError(SluiceError):
    """The source cannot be read as what the input says it is: empty, an unclosed quote, damaged compression."""


class SourceChangedError(SluiceError):
    """The object is no longer the one that the run's plan was made for."""


class ThrottledError(SluiceError):
    """DynamoDB kept throttling until the retries were used up without progress; retried by the state machine."""


class ServiceUnavailableError(SluiceError):
    """An AWS service could not be reached or kept failing on its side; retried by the state machine."""


class ResultsNotReadyError(SluiceError):
    """The Map Run's result files are not written yet; retried by the state machine."""


class CountsDoNotReconcileError(SluiceError):
    """Rows read differ from rows written, skipped, rejected and failed."""


class SettingError(SluiceError):
    """An environment variable that a function needs is missing or has no usable value."""


class RejectError(SluiceError):
    """One row cannot become an item; it is written to the run's rejects and the run goes on.

    `reason` is one of the names in `sluice.rejects.Reason`.
    """

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason
