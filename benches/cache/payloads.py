"""The values that are cached in the benches."""

# A number, as counters and flags are.
SMALL = 42

# What a document of the framework looks like to `as_dict`: a pickle of 1 KB.
KB: dict[str, object] = {
    f"field_{number:02d}": None
    if number in (5, 21)
    else (
        f"a line of text in field {number:02d}, as long as they are",
        number * 1000,
        f"x{number}@example.com",
        number * 1.5,
    )[number % 4]
    for number in range(32)
}

# A list of rows with rows in them: a pickle of 100 KB.
BIG: dict[str, object] = {
    f"row {number}": {
        "name": f"ITEM-{number:05d}",
        "qty": number,
        "rate": number * 1.25,
        "tags": ["a", "b", number],
        "disabled": False,
    }
    for number in range(1_650)
}

FIELDS = [f"f{number}" for number in range(10)]


def heap(count: int = 40_000) -> list[dict[str, list[int]]]:
    """What a worker has in memory that has imported an application: many objects that stay."""
    return [{"numbers": [number]} for number in range(count)]
