"""Packages of Lambda functions."""

import io
import zipfile


def package(source: str) -> bytes:
    """A zip whose only module, `index`, is this source."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.py", source)
    return content.getvalue()
