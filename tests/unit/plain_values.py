"""Hypothesis strategies for plain Python values that DynamoDB can store."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
integers = st.integers(-(10**38) + 1, 10**38 - 1)
decimals = st.builds(lambda digits, power: Decimal(digits).scaleb(power), integers.map(str), st.integers(-80, 80))
floats = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: x == 0 or 1e-130 <= abs(x) < 1e126)
scalars = texts | integers | decimals | st.booleans() | st.none() | st.binary(max_size=12)
sets = (
    st.sets(texts, min_size=1, max_size=4)
    | st.sets(integers | decimals, min_size=1, max_size=4)
    | st.sets(st.binary(max_size=6), min_size=1, max_size=4)
)
values = st.recursive(
    scalars | sets,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
names = texts.filter(bool)
items = st.dictionaries(names, values, max_size=6)
