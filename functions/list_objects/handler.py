"""ListObjects: one slice of the listing; the last one leaves what the Distributed Map reads."""

from __future__ import annotations

import json
import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, dynamodb_client, s3_client
from sluice.errors import AttemptExistsError, InvalidInputError
from sluice.fields import Fields
from sluice.limits import time_is_up
from sluice.run_item.item import RunItem
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.input import APPLY
from sluice.runs.paths import Run
from sluice.runs.plans import leave_plan_state
from sluice.settings import RunSettings, Settings
from sluice.step import step
from sluice.workflows.object_map.listing import EarlierListing, Lister, Listing
from sluice.workflows.object_map.plan import ActionPlan, read_earlier

settings = Settings.from_env()
run_settings = RunSettings.from_env()
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """List one slice. Takes {"run", "planned": PlanActions' result, "listing": that of the slice before, or null}.

    Raises InvalidInputError, SourceNotFoundError, SourceChangedError, StoppedError, AccessDeniedError,
    ServiceUnavailableError.
    """
    fields = Fields(event, ("run", "planned", "listing"))
    run, plan = Run.from_state(fields.raw("run")), ActionPlan.from_state(fields.raw("planned"))
    listing = Listing.from_state(fields.raw("listing")) if fields.has("listing") else _begin(run, plan)
    lister = Lister(
        s3_client(),
        settings.data_bucket,
        run,
        plan.filters,
        plan.batch_size,
        plan.max_batch_bytes,
        attempt=context.aws_request_id,
    )
    listing = lister.run_slice(listing, plan.reader(s3_client(), settings.data_bucket, run), time_is_up(context))
    if listing.done and plan.mode == APPLY:
        _leave(run, plan, listing)
    _create_item(run, plan, listing)
    logger.info("listed", extra={"objects": listing.objects, "done": listing.done})
    return {**listing.to_state(), "toleratedBatches": listing.tolerated_batches(plan.tolerated_failures)}


def _begin(run: Run, plan: ActionPlan) -> Listing:
    if not plan.resumed_run:
        return Listing()
    return Listing(before=read_earlier(s3_client(), settings.data_bucket, run, plan.resumed_run).before)


def _leave(run: Run, plan: ActionPlan, listing: Listing) -> None:
    """From here on the run can be resumed, and no other run continues the one that it resumes."""
    if plan.resumed_run:
        _take_over(run, plan.resumed_run)
    earlier = EarlierListing(plan.action, plan.source, plan.filters, listing.parts, listing.before)
    leave_plan_state(s3_client(), settings.data_bucket, run, earlier)


def _take_over(run: Run, resumed: str) -> None:
    """Make this run the only one that resumes another. Raises InvalidInputError when there is one already."""
    key = Run(run.workflow, resumed, "").handover_key
    uri, taken = f"s3://{settings.data_bucket}/{key}", AttemptExistsError()
    try:
        with aws_errors(uri, {"PreconditionFailed": taken, "ConditionalRequestConflict": taken}):
            body = json.dumps({"run": run.name}).encode()
            s3_client().put_object(Bucket=settings.data_bucket, Key=key, Body=body, IfNoneMatch="*")
    except AttemptExistsError:
        with aws_errors(uri):
            found = json.loads(s3_client().get_object(Bucket=settings.data_bucket, Key=key)["Body"].read())["run"]
        if found != run.name:
            problem = f"{resumed} was resumed by {found}: resume that run instead"
            raise InvalidInputError("resume.run", problem) from None


def _create_item(run: Run, plan: ActionPlan, listing: Listing) -> None:
    """Note what the listing has found, once it is complete; a run that is to stop ends here."""
    facts = PlanFacts(run.workflow)
    if listing.done:
        facts = PlanFacts(run.workflow, listing.objects, listing.bytes, listing.batches)
    item = RunItem.from_plan(run.item_key, {"runItem": plan.run_item})
    create_item(dynamodb_client(), run_settings.table, item, facts, time.time())
