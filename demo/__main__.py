"""`make demo`: the workflows on real data, on local AWS."""

from __future__ import annotations

import sys

from demo.airports import load_airports
from demo.exports import export_airports
from demo.flights import count_aircraft
from demo.objects import warmest_origins
from demo.pictures import FUNCTION, make_thumbnails
from demo.sandbox import DemoFailedError, DemoSandbox, say
from demo.transform import add_geohashes
from demo.weather import copy_storms, put_weather
from sluice_cli import local
from sluice_cli.exit_code import CommandError
from sluice_cli.surroundings import PROJECT_ROOT, Surroundings


def main() -> int:
    """Start local AWS unless it runs, deploy, run the workflows; stop what was started."""
    try:
        aws, is_ours = local.up(PROJECT_ROOT, outlive_caller=False, fault_injection=True)
    except CommandError as error:
        say(str(error))
        return 1
    try:
        say(f"local AWS is ready at {aws.endpoint_url}")
        sandbox = DemoSandbox(Surroundings(), aws)
        sandbox.sluice("local", "deploy", "--parameter", f"ProcessorFunctions={FUNCTION}")
        load_airports(sandbox)
        count_aircraft(sandbox)
        export_airports(sandbox)
        add_geohashes(sandbox)
        objects = put_weather(sandbox)
        copy_storms(sandbox, objects)
        warmest_origins(sandbox, objects)
        make_thumbnails(sandbox)
    except DemoFailedError as error:
        say(str(error))
        return 1
    finally:
        if is_ours:
            local.end(PROJECT_ROOT, aws)
    return 0


if __name__ == "__main__":
    sys.exit(main())
