"""Creating and updating a stack with a change set, as `sam deploy` does, if there is anything to change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from sluice_cli.aws import Aws
from sluice_cli.exit_code import CommandError
from sluice_cli.packages import Package
from sluice_cli.surroundings import Clock

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackEventTypeDef, StackTypeDef

SUCCEEDED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
# What a first deployment leaves when it fails: it can only be deleted.
FAILED_CREATION = "ROLLBACK_COMPLETE"
# A change set was created, but never executed: there is no stack yet.
NO_STACK_YET = "REVIEW_IN_PROGRESS"
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
STARTED = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"})
LOOK_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class StackUpdate:
    """What a stack is to be: a package, and values of parameters by name. `show` is given a line per event."""

    aws: Aws
    stack_name: str
    package: Package
    parameters: Mapping[str, str]
    clock: Clock
    show: Callable[[str], None]

    def apply(self) -> bool:
        """Create or update the stack; whether that was necessary.

        An existing stack keeps the values of parameters that are not given. Raises CommandError with CloudFormation's
        reasons if the change fails, ClientError if it is refused.
        """
        stack = self._usable_stack()
        if stack and self._is_up_to_date(stack):
            return False
        self._upload()
        change_set = self._create_change_set(stack)
        if not self._has_changes(change_set):
            self.aws.cloudformation.delete_change_set(ChangeSetName=change_set)
            return False
        self.aws.cloudformation.execute_change_set(ChangeSetName=change_set)
        self._report(self._end_of_changes())
        return True

    def _usable_stack(self) -> "StackTypeDef | None":
        """The stack, unless there is none. What a failed first deployment left is deleted."""
        stack = self._describe()
        if stack and stack["StackStatus"] == FAILED_CREATION:
            self.aws.cloudformation.delete_stack(StackName=stack["StackName"])
            self._end_of_changes()
            stack = self._describe()
        return stack if stack and stack["StackStatus"] != NO_STACK_YET else None

    def _describe(self) -> "StackTypeDef | None":
        try:
            (stack,) = self.aws.cloudformation.describe_stacks(StackName=self.stack_name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return stack

    def _is_up_to_date(self, stack: "StackTypeDef") -> bool:
        """Whether the stack's last change was to this template and these values."""
        current = _values(stack)
        if stack["StackStatus"] not in SUCCEEDED:
            return False
        if any(current.get(name) != value for name, value in self.parameters.items()):
            return False
        found = self.aws.cloudformation.get_template(StackName=self.stack_name, TemplateStage="Original")
        # boto3 parses a template that is JSON.
        return bool(found["TemplateBody"] == self.package.template)

    def _upload(self) -> None:
        """Put those objects that the bucket does not have yet: their keys are hashes of their content."""
        bucket, s3 = self.package.bucket, self.aws.s3
        if bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
            s3.create_bucket(Bucket=bucket)
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        present = {each["Key"] for page in pages for each in page.get("Contents", ())}
        for key in sorted(set(self.package.objects) - present):
            body = self.package.objects[key]()
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            self.show(f"uploaded {len(body):,} bytes to s3://{bucket}/{key}")

    def _create_change_set(self, stack: "StackTypeDef | None") -> str:
        created = self.aws.cloudformation.create_change_set(
            StackName=self.stack_name,
            ChangeSetName=f"sluice-local-deploy-{datetime.now(UTC):%Y%m%dT%H%M%S%f}",
            ChangeSetType="UPDATE" if stack else "CREATE",
            TemplateURL=f"{self.aws.s3.meta.endpoint_url}/{self.package.bucket}/{self.package.template_key}",
            Parameters=self._given_values() + (self._kept_values(stack) if stack else []),
            Capabilities=["CAPABILITY_IAM"],
        )
        return created["Id"]

    def _given_values(self) -> "list[ParameterTypeDef]":
        return [{"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()]

    def _kept_values(self, stack: "StackTypeDef") -> "list[ParameterTypeDef]":
        """The stack's values of the template's other parameters."""
        kept = set(_values(stack)) & set(self.package.template.get("Parameters", {})) - set(self.parameters)
        return [{"ParameterKey": name, "UsePreviousValue": True} for name in sorted(kept)]

    def _has_changes(self, change_set: str) -> bool:
        """Whether the change set changes anything, once it is ready. Raises CommandError if it failed."""
        describe = self.aws.cloudformation.describe_change_set
        while (found := describe(ChangeSetName=change_set))["Status"].endswith(("PENDING", "IN_PROGRESS")):
            self.clock.sleep(LOOK_EVERY_SECONDS)
        reason = found.get("StatusReason", "")
        if found["Status"] == "FAILED" and not any(each in reason for each in NO_CHANGES):
            raise CommandError(f"the change set failed: {reason}")
        return found["Status"] != "FAILED"

    def _end_of_changes(self) -> str:
        """The stack's status once nothing changes it any more."""
        while (stack := self._describe()) and stack["StackStatus"].endswith("IN_PROGRESS"):
            self.clock.sleep(LOOK_EVERY_SECONDS)
        return stack["StackStatus"] if stack else "DELETE_COMPLETE"

    def _report(self, status: str) -> None:
        """Show what happened. Raises CommandError if the stack is not what it was to be."""
        events = self._events()
        for event in events:
            self.show(_event_line(event))
        if status not in SUCCEEDED:
            failures = [_event_line(each) for each in events if str(each.get("ResourceStatus")).endswith("FAILED")]
            raise CommandError("\n".join([f"{self.stack_name} ended as {status}:", *failures]))

    def _events(self) -> "list[StackEventTypeDef]":
        """The events since the stack's last change began, oldest first."""
        events: list[StackEventTypeDef] = []
        pages = self.aws.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.stack_name)
        for event in (event for page in pages for event in page["StackEvents"]):
            events.insert(0, event)
            if event.get("LogicalResourceId") == self.stack_name and event.get("ResourceStatus") in STARTED:
                break
        return events


def _values(stack: "StackTypeDef") -> dict[str, str]:
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", ())}


def _event_line(event: "StackEventTypeDef") -> str:
    parts = (event.get("ResourceStatus"), event.get("ResourceType"), event.get("LogicalResourceId"))
    reason = event.get("ResourceStatusReason")
    return " ".join(str(each) for each in parts) + (f": {reason}" if reason else "")
