"""AWS::CloudFormation::Stack: the transforms of a nested template, which ministack applies to the outer one only."""

from collections.abc import Callable
from typing import Any

from ministack.services.cloudformation import engine

Template = dict[str, Any]


def transformed(check_capabilities: Callable[[str, Template], None]) -> Callable[[str, Template], None]:
    """ministack's first step with a nested template, after which the template is the transformed one."""

    def check(parent_stack_name: str, template: Template) -> None:
        check_capabilities(parent_stack_name, template)
        result = dict(engine._apply_transforms(template))
        template.clear()
        template.update(result)

    return check
