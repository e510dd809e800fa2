"""The demo's pictures, and the function that the pages show for them."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from demo.pictures import CODE, PREFIX, SIDE, large_pictures, pictures, scaled

PAGE = Path(__file__).parents[2] / "docs" / "object_map.md"


def test_pictures_are_those_of_the_package() -> None:
    bodies = pictures()
    assert len(bodies) == 26
    assert all(key.startswith(PREFIX) for key in bodies)
    large = large_pictures(bodies)
    assert len(large) == 17
    assert Image.open(io.BytesIO(bodies[f"{PREFIX}canvas/kiwi.jpg"])).size == large[f"{PREFIX}canvas/kiwi.jpg"]
    assert all(max(scaled(size)) == SIDE for size in large.values())


def test_page_shows_the_function_that_the_demo_deploys() -> None:
    assert f"```python\n{CODE}```" in PAGE.read_text()
