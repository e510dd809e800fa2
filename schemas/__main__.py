"""Write schemas/<workflow>.json from the tables of fields in docs/<workflow>.md: python -m schemas."""

from schemas.generate import FOLDER, schema_text, workflows

for workflow in workflows():
    (FOLDER / f"{workflow}.json").write_text(schema_text(workflow))
