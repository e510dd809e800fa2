"""Distributed Map: items are read, batched, run and reported as a stream, never held as a whole."""

from local_aws.stepfunctions.distributed_map.state import run_distributed_map

__all__ = ["run_distributed_map"]
