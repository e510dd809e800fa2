"""Make random tables in local AWS and in dynalite, and read them with random requests from both."""

import argparse
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local_aws import running as local_aws_running
from local_aws.access.credentials import RootCredentials
from tests.oracle.comparison import Comparison
from tests.oracle.dynalite import running as dynalite_running
from tests.oracle.random_tables import Item, Keys, RandomTable, random_table

# It looks at no signature.
DYNALITE = RootCredentials("test", "test")
READS_PER_TABLE = 25
NARROWING: tuple[dict[str, Any], ...] = (
    {},
    {"Select": "COUNT"},
    {"ProjectionExpression": "pk, n, #l[1]", "ExpressionAttributeNames": {"#l": "list"}},
)


def main() -> None:
    """Compare; a difference ends the run, with the seed that shows it again."""
    arguments = _parse()
    counts: Counter[str] = Counter()
    with dynalite_running(arguments.dynalite) as dynalite_url, local_aws_running() as local_aws:
        local, dynalite = _client(local_aws.endpoint_url, local_aws.credentials), _client(dynalite_url, DYNALITE)
        for seed in range(arguments.seed, arguments.seed + arguments.tables):
            try:
                counts += _compare_table(seed, local, dynalite)
            except AssertionError as difference:
                sys.exit(f"--seed {seed}: {difference}")
    sys.stdout.write(
        f"the same on local AWS and on dynalite: {', '.join(f'{n} {name}' for name, n in sorted(counts.items()))}\n"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--dynalite", type=Path, required=True, help="the directory that dynalite is installed in")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tables", type=int, default=15)
    return parser.parse_args()


def _client(url: str, credentials: RootCredentials) -> Any:
    session: Any = boto3.Session(credentials.access_key_id, credentials.secret_access_key, region_name="us-east-1")
    return session.client("dynamodb", endpoint_url=url, config=Config(inject_host_prefix=False))


def _compare_table(seed: int, local: Any, dynalite: Any) -> Counter[str]:
    chance = random.Random(seed)
    table = random_table(f"table-{seed}", chance)
    for client in (local, dynalite):
        client.create_table(**table.definition)
        client.get_waiter("table_exists").wait(
            TableName=table.definition["TableName"], WaiterConfig={"Delay": 0.05, "MaxAttempts": 100}
        )
    counts = Counter(tables=1)
    half = len(table.items) // 2
    for part in (table.items[:half], table.items[half:]):
        for client in (local, dynalite):
            _write(client, table.definition["TableName"], part)
        counts += _compare_reads(table, chance, local, dynalite)
    _delete_some(table, chance, (local, dynalite))
    counts += _compare_reads(table, chance, local, dynalite)
    for client in (local, dynalite):
        client.delete_table(TableName=table.definition["TableName"])
    return counts


def _write(client: Any, name: str, items: list[Item]) -> None:
    for start in range(0, len(items), 25):
        requests = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        client.batch_write_item(RequestItems={name: requests})


def _delete_some(table: RandomTable, chance: random.Random, clients: tuple[Any, ...]) -> None:
    for item in chance.sample(table.items, len(table.items) // 3):
        key = {name: item[name] for name in table.key_names}
        for client in clients:
            client.delete_item(TableName=table.definition["TableName"], Key=key)


def _compare_reads(table: RandomTable, chance: random.Random, local: Any, dynalite: Any) -> Counter[str]:
    counts: Counter[str] = Counter()
    keys = Keys(table.kinds, chance, table.is_ascii)
    for _ in range(READS_PER_TABLE):
        is_query = bool(table.items) and chance.random() < 0.3
        comparison = Comparison(local, dynalite, table, "query" if is_query else "scan")
        request = _query(table, chance) if is_query else _scan(table, chance)
        start_key = _start_key(request, table, chance, keys) if not is_query and chance.random() < 0.3 else None
        comparison.read(request, start_key)
        counts += comparison.counts + Counter({"queries" if is_query else "scans": 1})
    return counts


def _scan(table: RandomTable, chance: random.Random) -> dict[str, Any]:
    request = _read(chance)
    if chance.random() < 0.5:
        total = chance.choice((1, 2, 3, 7, 16, 100, 4096))
        request |= {"TotalSegments": total, "Segment": chance.randrange(total)}
    if "ConsistentRead" not in request and chance.random() < 0.4:
        request["IndexName"] = "index"
    return request


def _query(table: RandomTable, chance: random.Random) -> dict[str, Any]:
    request = _read(chance)
    item = chance.choice(table.items)
    request["KeyConditionExpression"] = "pk = :pk"
    request["ScanIndexForward"] = chance.random() < 0.5
    request["ExpressionAttributeValues"] = {":pk": item["pk"], **request.get("ExpressionAttributeValues", {})}
    return request


def _read(chance: random.Random) -> dict[str, Any]:
    request: dict[str, Any] = {"ReturnConsumedCapacity": chance.choice(("NONE", "TOTAL", "INDEXES"))}
    if chance.random() < 0.6:
        request["Limit"] = chance.choice((1, 2, 3, 10, 50, 1000))
    if chance.random() < 0.4:
        request["ConsistentRead"] = True
    if chance.random() < 0.3:
        request |= {"FilterExpression": "n > :n", "ExpressionAttributeValues": {":n": {"N": "0"}}}
    return request | chance.choice(NARROWING)


def _start_key(request: dict[str, Any], table: RandomTable, chance: random.Random, keys: Keys) -> Item:
    """A key that need not exist, and now and then is not one of this table's."""
    names = {*table.key_names, *(table.index_key_names if "IndexName" in request else ())}
    start_key = {name: keys.value(name) for name in sorted(names)}
    if chance.random() < 0.1:
        start_key[chance.choice(sorted(names))] = {"BOOL": True}
    if chance.random() < 0.1:
        start_key["other"] = {"S": "x"}
    return start_key


if __name__ == "__main__":
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    main()
