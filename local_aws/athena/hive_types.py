"""Hive's column types in DuckDB's spelling."""

from local_aws.athena.errors import QueryError, user_error

SIMPLE = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "real": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "string": "VARCHAR",
    "varchar": "VARCHAR",
    "char": "VARCHAR",
    "binary": "BLOB",
}
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
NESTED = ("array", "map", "struct")


def duckdb_type(hive_type: str) -> str:
    """The DuckDB type of a column of this type. Raises QueryError."""
    text = hive_type.strip().lower()
    name = text.partition("<")[0].partition("(")[0].strip()
    if name == "decimal":
        return text.upper() if "(" in text else "DECIMAL(10,0)"
    if name in SIMPLE:
        return SIMPLE[name]
    if name not in NESTED or not text.endswith(">"):
        raise _unknown(hive_type)
    inner = _parts(text[text.index("<") + 1 : -1])
    if name == "array":
        return f"{duckdb_type(inner[0])}[]"
    if name == "map":
        return f"MAP({duckdb_type(inner[0])}, {duckdb_type(inner[1])})"
    fields = (each.partition(":") for each in inner)
    return f"STRUCT({', '.join(f'{quoted(field.strip())} {duckdb_type(kind)}' for field, _, kind in fields)})"


def is_nested(hive_type: str) -> bool:
    """Whether values of this type hold others."""
    return hive_type.strip().lower().startswith(NESTED)


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def _parts(text: str) -> list[str]:
    """What commas separate outside of brackets."""
    parts, depth, start = [], 0, 0
    for index, sign in enumerate(text):
        depth += (sign in "<(") - (sign in ">)")
        if sign == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _unknown(hive_type: str) -> QueryError:
    return user_error("NOT_SUPPORTED", f"Unsupported Hive type: {hive_type}")
