"""ProcessExportFile: one slice of an exported file goes to its sink."""

from __future__ import annotations

from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import s3_client
from sluice.aws.wire import Wire
from sluice.limits import time_is_up
from sluice.run_item.worker import Heartbeats
from sluice.settings import RunSettings, Settings
from sluice.step import step
from sluice.workflows.export_process.progress import FileRequest
from sluice.workflows.export_process.slice import FileWork

settings = Settings.from_env()
logger = Logger()
wire = Wire.from_session(botocore.session.get_session())
heartbeats = Heartbeats.to(RunSettings.from_env().table, wire)


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work through a data file until it ends or the time is up, and return how far it has come.

    Takes {"run", "process", "file", "progress"}, as CheckExport and the call before have returned them.
    Raises InvalidInputError, SourceNotFoundError, SourceChangedError, FileDamagedError, ThrottledError,
    ServiceUnavailableError, TableNotFoundError, AccessDeniedError.
    """
    request = FileRequest.from_event(event)
    work = FileWork(s3_client(), wire, heartbeats, settings.data_bucket, request)
    progress = work.run(time_is_up(context))
    logger.info(
        "slice done",
        extra={"file": request.file.key, "counts": progress["counts"]},
    )
    return progress
