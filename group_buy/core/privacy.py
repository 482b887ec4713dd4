"""Counts of who takes part, without telling on anybody: groups under GROUP_MIN are not named."""

from collections.abc import Mapping

from group_buy.core.proof import GROUP_MIN


def without_small_groups(counts: Mapping[str, int]) -> tuple[list[tuple[str, int]], int]:
    """Groups of at least GROUP_MIN, the largest first, and how many are in none of them.

    The whole is public, so what is left out can be computed: it is nobody, or at least GROUP_MIN too. For that the
    smallest named group may be left out as well.
    """
    named = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    hidden = sum(count for _, count in named if count < GROUP_MIN)
    named = [(name, count) for name, count in named if count >= GROUP_MIN]
    while 0 < hidden < GROUP_MIN and named:
        hidden += named.pop()[1]
    return named, hidden
