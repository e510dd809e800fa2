"""Which fields a state may have, by its type and its query language."""

from collections.abc import Collection

JSONPATH, JSONATA = "JSONPath", "JSONata"
QUERY_LANGUAGES = (JSONPATH, JSONATA)
MACHINE = ("Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version")
PROCESSOR = ("Comment", "ProcessorConfig", "StartAt", "States", "TimeoutSeconds", "Version")
EVERY_STATE = ("Type", "Comment", "QueryLanguage")

_PATHS = ("InputPath", "OutputPath")
_RESULTS = ("ResultPath", "ResultSelector", "Parameters")
_WRITES = ("Output", "Assign")
_NEXT = ("Next", "End")
_ERRORS = ("Retry", "Catch")
_MAP_NUMBERS = ("MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount")

STATES: dict[str, tuple[str, ...]] = {
    "Task": (
        *(*_PATHS, *_RESULTS, *_WRITES, *_ERRORS, *_NEXT, "Arguments", "Resource", "Credentials"),
        *("TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath"),
    ),
    "Wait": (*_PATHS, *_WRITES, *_NEXT, "Seconds", "Timestamp", "SecondsPath", "TimestampPath"),
    "Pass": (*_PATHS, *_WRITES, *_NEXT, "Parameters", "Result", "ResultPath"),
    "Succeed": (*_PATHS, "Output"),
    "Fail": ("Error", "Cause", "ErrorPath", "CausePath"),
    "Choice": (*_PATHS, *_WRITES, "Choices", "Default"),
    "Parallel": (*_PATHS, *_RESULTS, *_WRITES, *_ERRORS, *_NEXT, "Arguments", "Branches"),
    "Map": (
        *(*_PATHS, *_RESULTS, *_WRITES, *_ERRORS, *_NEXT, "ItemProcessor", "Iterator", "ItemsPath", "Items"),
        *("ItemSelector", "ItemReader", "ItemBatcher", "ResultWriter", "Label"),
        *(*_MAP_NUMBERS, *(f"{each}Path" for each in _MAP_NUMBERS)),
    ),
}
REQUIRED: dict[str, tuple[str, ...]] = {
    "Task": ("Resource",),
    "Choice": ("Choices",),
    "Parallel": ("Branches",),
}
WITH_NEXT = ("Task", "Wait", "Pass", "Parallel", "Map")
WAITS = ("SecondsPath", "Seconds", "TimestampPath", "Timestamp")
PROCESSORS = ("ItemProcessor", "Iterator")
EXCLUDING = (
    ("TimeoutSeconds", "TimeoutSecondsPath"),
    ("HeartbeatSeconds", "HeartbeatSecondsPath"),
    ("Error", "ErrorPath"),
    ("Cause", "CausePath"),
    *((each, f"{each}Path") for each in _MAP_NUMBERS),
)

# The fields that only one of the query languages has. A path is JSONPath's wherever it stands.
ONLY_JSONATA = ("Arguments", "Output", "Items", "Condition")
ONLY_JSONPATH = (
    *("InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "Result", "ItemsPath", "Variable"),
    *("TimeoutSecondsPath", "HeartbeatSecondsPath", "SecondsPath", "TimestampPath", "ErrorPath", "CausePath"),
    *(f"{each}Path" for each in (*_MAP_NUMBERS, "MaxItems", "MaxItemsPerBatch", "MaxInputBytesPerBatch")),
)


def misplaced(names: Collection[str], language: str) -> list[str]:
    """Of the field names those of the other query language."""
    other = ONLY_JSONPATH if language == JSONATA else ONLY_JSONATA
    return [name for name in other if name in names]


def misplaced_message(name: str, language: str) -> str:
    """What Step Functions says about such a field."""
    other = JSONPATH if language == JSONATA else JSONATA
    message = f"field '{name}' is only supported for the '{other}' QueryLanguage"
    return f"The QueryLanguage is set to '{language}', but {message}"
