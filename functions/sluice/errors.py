"""Every error that Sluice raises by name; Step Functions matches the class name, so renaming one is a breaking change.

Three families: the input is wrong (never retried), not ready (retried), failed (the run stops).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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


class PointInTimeRecoveryError(SluiceError):
    """Point-in-time recovery is off, and the table cannot be exported, or changed in place without a backup."""


class SourceMalformedError(SluiceError):
    """The source cannot be read as what the input says it is: empty, an unclosed quote, damaged compression."""


class SourceChangedError(SluiceError):
    """The object is no longer the one that the run's plan was made for."""


class RunContinuedError(SluiceError):
    """Another run resumes or undoes this one: this one's slices end without writing any more."""


class FormatVersionError(SluiceError):
    """Another version of Sluice wrote a run's plan or progress, in a format that this one does not read."""


class ExportNotCompletedError(SluiceError):
    """The export has not ended as COMPLETED: it continues, or it failed."""


class FileDamagedError(SluiceError):
    """A data file is not the one that its export wrote: another MD5, no whole gzip, more or fewer records."""


class ThrottledError(SluiceError):
    """DynamoDB kept throttling until the retries were used up without progress; retried by the state machine."""


class ServiceUnavailableError(SluiceError):
    """An AWS service could not be reached or kept failing on its side; retried by the state machine."""


class AccessDeniedError(SluiceError):
    """AWS does not let this role or these credentials do what the run needs."""


class StoppedError(SluiceError):
    """The run was stopped before it was done; `sluice resume` continues it where its workflow can be resumed."""


class AttemptExistsError(SluiceError):
    """The slice has been tried before; never leaves the function."""


class UnexpectedResponseError(SluiceError):
    """AWS answered with something that Sluice cannot account for; the run stops rather than guess."""


class WireError(SluiceError):
    """DynamoDB refused a request, and sending it again would not help.

    `name` is DynamoDB's own error name (without one, the HTTP status), `details` the error's JSON body.
    """

    def __init__(self, name: str, message: str, status: int, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{name}: {message}" if message else name)
        self.name = name
        self.message = message
        self.status = status
        self.details = details or {}


class ExportFailedError(SluiceError):
    """AWS ended the export as FAILED; the watermark stays, and the next run asks for the same window again."""


class ExportStillInProgressError(SluiceError):
    """The execution has looked at its export as often as its history allows; the next run continues watching it."""


class UnknownExportStatusError(SluiceError):
    """The export has a status that Sluice does not know; the next run looks at it again."""


class RangesFailedError(SluiceError):
    """Ranges failed, with different errors, and more of them than the run tolerates."""


class SegmentsFailedError(SluiceError):
    """Segments of a table failed, with different errors, and more of them than the run tolerates."""


class FilesFailedError(SluiceError):
    """Files of an export failed, with different errors, and more of them than the run tolerates."""


class KeyInvalidError(SluiceError):
    """A line of the input's `keys` is not a partition key of the table, or DynamoDB refuses it; only this key fails."""


class KeysFailedError(SluiceError):
    """Keys failed in their processor, with different errors, and more of them than the run tolerates."""


class QueryRefusedError(SluiceError):
    """Athena did not accept the query: its syntax, its workgroup or the location of its result is wrong."""


class QueryFailedError(SluiceError):
    """Athena ended the query as FAILED; the message is Athena's reason."""


class QueryCancelledError(SluiceError):
    """The query was cancelled, by someone or by a limit of its workgroup."""


class RowsFailedError(SluiceError):
    """Rows failed in their action, with different errors, and more of them than the run tolerates."""


class ObjectsFailedError(SluiceError):
    """More objects failed than an object_map run tolerates, for different reasons."""


class AnswerInvalidError(SluiceError):
    """A function of object_map has not answered with one outcome per object."""


class TooManyRowsError(SluiceError):
    """A result has more rows than a Distributed Map reads; what it would leave out, it leaves out without a word."""


class BatchesFailedError(SluiceError):
    """Batches of objects failed, with different errors, and more of them than the run tolerates."""


class IncompleteResultError(SluiceError):
    """Objects are missing, unreadable or in batches that failed, and the input does not ask for a partial result."""


class ColumnNotFoundError(SluiceError):
    """No row of any object has a column that the input asks for; the message names those that rows have."""


class NothingWrittenError(SluiceError):
    """Every row was rejected, so that the run wrote nothing, whatever number of rejects the input tolerates."""


class TooManyRejectsError(SluiceError):
    """More rows were rejected than the input's rejectsTolerated; what was written is kept and counted."""


class CountsDoNotReconcileError(SluiceError):
    """Rows read differ from rows written, skipped, rejected and failed."""


class CountsNotFinalError(SluiceError):
    """A Map Run has ended, but its counts have not become final in the time that a run waits for them."""


class SettingError(SluiceError):
    """An environment variable that a function needs is missing or has no usable value."""


class RejectError(SluiceError):
    """One row cannot become an item; it is written to the run's rejects and the run continues.

    `reason` is one of the names in `sluice.rejects.Reason`.
    """

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason
