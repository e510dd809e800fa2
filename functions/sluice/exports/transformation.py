"""A user's transform, as it is applied to the images of records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sluice.encoding.plain_rows import Transform, transform_failed
from sluice.encoding.plain_values import plain_item
from sluice.errors import RejectError
from sluice.exports.records import Attributes
from sluice.rejects import Reason

Made = TypeVar("Made")
_NO_VALUE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError)


class Transformation(Generic[Made]):
    """Gives the transform an image of plain values, its own to change; `make` makes of an item what is needed."""

    def __init__(self, transform: Transform, make: Callable[[Any], Made]) -> None:
        self._transform = transform
        self._make = make

    def __call__(self, image: Attributes | None) -> list[Made]:
        """What becomes of the image, nothing of None. Raises RejectError for whatever the transform raises."""
        if image is None:
            return []
        plain = _plain(image)
        try:
            result = self._transform(plain)
            items = result if isinstance(result, list | tuple) else [result]
            return [self._make(each) for each in items if result is not None]
        except RejectError:
            raise
        # Not only the transform can raise anything, but also what it returns, as it is looked at.
        except (Exception, SystemExit) as error:
            raise transform_failed(error) from error


def _plain(image: Attributes) -> dict[str, Any]:
    try:
        return plain_item(image)
    except _NO_VALUE as error:
        raise RejectError(
            Reason.RECORD_INVALID, f"no item in DynamoDB JSON: {type(error).__name__}: {error}"
        ) from error
