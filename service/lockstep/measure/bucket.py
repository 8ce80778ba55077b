"""Where buckets end: the base slices of event time, `[start, end)`, aligned in UTC.

Where a bucket begins is written out, `second // width * width`: in the loops of the meter a call costs more than that.
"""


def ceil_div(number: int, size: int) -> int:
    """How many pieces of `size` hold `number`: 3 of 25 for 60, and of 25 for 75. The number may be below zero."""
    return -(-number // size)


def bucket_end(second: int, width: int) -> int:
    """The first bucket end that is not before a second: 09:05:00 for 09:04:01 and for 09:05:00, in minutes.

    second: since 1970. width: of the buckets, in seconds.
    """
    return ceil_div(second, width) * width
