"""A limit of the plan beside what was measured: every line ends in a word, and no run fails by it."""


def say_limit(name: str, measured: str, limit: str, *, is_met: bool, beside: str = "") -> None:
    """Print one limit: its name, the measured value, the limit, whether it is met, and its baseline of this run."""
    word = "" if limit == "-" else "met" if is_met else "MISSED"
    print(f"{name:62} {measured:>12}  limit {limit:<10} {word:6} {beside}".rstrip(), flush=True)
