"""What read and write units cost: USD on demand in us-east-1, table class Standard, since November 2024.

https://aws.amazon.com/dynamodb/pricing/on-demand/
"""

READ_UNIT_USD = 0.125e-6
WRITE_UNIT_USD = 0.625e-6
# Estimates are rounded to so many digits after the point.
ESTIMATE_DIGITS = 6


def units_usd(read_units: float, write_units: float) -> float:
    """The price of so many units."""
    return read_units * READ_UNIT_USD + write_units * WRITE_UNIT_USD
