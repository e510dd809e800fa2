"""Installs these parts instead of ministack's CloudFormation."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

from local_aws.replacements import check, replace, require
from local_aws.role_permissions import forget_policies
from local_aws.stacks import (
    creation_requests,
    deletions,
    functions,
    generated_names,
    nested_stacks,
    state_machines,
    template_checks,
)
from local_aws.stacks.existing_names import NAMES, checked_creation
from local_aws.stacks.service_checks import check_properties

PROVISION_PARAMETERS = ("resource_type", "logical_id", "props", "stack_name")
SUPPORT_PARAMETERS = ("template", "conditions", "params")
RESOLVE_PARAMETERS = ("template", "provided_params", "previous_params")
UPDATE_PARAMETERS = ("resource_type", "physical_id", "old_props", "new_props", "stack_name", "logical_id", "old_attrs")
RENAME_PARAMETERS = (
    "physical_id",
    "old_props",
    "new_props",
    "stack_name",
    "logical_id",
    "declared_name",
    "current_name",
    "create_fn",
    "delete_fn",
    "delete_when_id_unchanged",
)


def install() -> None:
    """Replace how resources are created and deleted, and what is asked of a stack before."""
    require(provisioners, "_RESOURCE_HANDLERS", "_NAME_SEED", "_physical_name", "_sfn_definition")
    _install_requests()
    _install_creations()
    _install_nested_transforms()
    _wrap("AWS::Lambda::Function", "create", functions.create)
    _wrap("AWS::Lambda::Function", "update", functions.update)
    _wrap("AWS::DynamoDB::Table", "delete", deletions.delete_table)
    _wrap("AWS::S3::Bucket", "delete", deletions.delete_bucket)
    _wrap("AWS::StepFunctions::StateMachine", "delete", deletions.delete_state_machine)
    _wrap("AWS::IAM::Policy", "delete", deletions.delete_policy)


def _install_requests() -> None:
    for name, wrap in (
        ("_create_stack", creation_requests.create_stack),
        ("_update_stack", creation_requests.update_stack),
        ("_create_change_set", creation_requests.create_change_set),
    ):
        new = wrap(check(handlers, name, ("params",)))
        setattr(handlers, name, new)
        handlers._ACTION_HANDLERS[name.removeprefix("_").title().replace("_", "")] = new
    check(changesets, "_create_change_set", ("params",))


def _install_nested_transforms() -> None:
    check(engine, "_apply_transforms", ("template", "provided_params", "previous_params"))
    name, parameters = "_check_nested_stack_capabilities", ("parent_stack_name", "template")
    replace(provisioners, name, parameters, nested_stacks.transformed(check(provisioners, name, parameters)))


def _install_creations() -> None:
    original = {kind: provisioners._RESOURCE_HANDLERS[kind]["create"] for kind in NAMES}
    _wrap("AWS::StepFunctions::StateMachine", "create", state_machines.checked_creation)
    _wrap("AWS::StepFunctions::StateMachine", "update", state_machines.with_logging)
    _wrap(generated_names.LOG_GROUP, "create", generated_names.create_log_group)
    _wrap(generated_names.LOG_GROUP, "update", generated_names.update_log_group)
    for kind in NAMES:
        _wrap(kind, "create", partial(checked_creation, kind))
    _check_renamed({create: provisioners._RESOURCE_HANDLERS[kind]["create"] for kind, create in original.items()})
    _install_checks()
    provision = generated_names.with_new_names(check(provisioners, "_provision_resource", PROVISION_PARAMETERS))
    for module in (provisioners, stacks):
        replace(module, "_provision_resource", PROVISION_PARAMETERS, provision)


def _install_checks() -> None:
    """Check templates, parameters and properties before they are used."""
    support = template_checks.checked_support(check(engine, "validate_template_support", SUPPORT_PARAMETERS))
    parameters = template_checks.checked_parameters(check(engine, "_resolve_parameters", RESOLVE_PARAMETERS))
    for module in (engine, handlers, changesets):
        replace(module, "validate_template_support", SUPPORT_PARAMETERS, support)
        replace(module, "_resolve_parameters", RESOLVE_PARAMETERS, parameters)
    provision = check(provisioners, "_provision_resource", PROVISION_PARAMETERS)
    update = check(provisioners, "_update_resource", UPDATE_PARAMETERS)

    def provision_checked(resource_type: str, logical_id: str, props: Any, stack_name: str) -> Any:
        check_properties(resource_type, logical_id, props)
        return _with_its_policies(resource_type, provision(resource_type, logical_id, props, stack_name))

    def update_checked(*given: Any) -> Any:
        resource_type, _, old, new, _, logical_id, *_ = given
        if old != new:
            check_properties(resource_type, logical_id, new)
        return _with_its_policies(resource_type, update(*given))

    for module in (provisioners, stacks):
        replace(module, "_provision_resource", PROVISION_PARAMETERS, provision_checked)
        replace(module, "_update_resource", UPDATE_PARAMETERS, update_checked)


def _with_its_policies(resource_type: str, provisioned: Any) -> Any:
    """The same; a policy that the resource changes counts at once."""
    if resource_type.startswith("AWS::IAM::"):
        forget_policies()
    return provisioned


def _check_renamed(checked: dict[Callable[..., Any], Callable[..., Any]]) -> None:
    """A resource that an update renames is created, too, but not through its handler."""
    rename = check(provisioners, "_rename_replacement", RENAME_PARAMETERS)

    def rename_checked(*given: Any, **options: Any) -> Any:
        index = RENAME_PARAMETERS.index("create_fn")
        return rename(*given[:index], checked.get(given[index], given[index]), *given[index + 1 :], **options)

    provisioners._rename_replacement = rename_checked


def _wrap(kind: str, step: str, wrapper: Callable[[Any], Any]) -> None:
    known = provisioners._RESOURCE_HANDLERS[kind]
    known[step] = wrapper(known[step])
