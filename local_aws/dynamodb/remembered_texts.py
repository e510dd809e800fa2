"""ministack reads the text of an expression once, instead of once for each item."""

from functools import lru_cache

from ministack.services import dynamodb as service

from local_aws.replacements import check, replace

REMEMBERED_EXPRESSIONS = 1000


def install() -> None:
    """Let ministack remember what it made of an expression; it takes what is remembered as read-only."""
    for name, parameters in {"_tokenize": ("expr",), "_condition_syntax_error": ("expr", "slot")}.items():
        replace(service, name, parameters, lru_cache(REMEMBERED_EXPRESSIONS)(check(service, name, parameters)))
