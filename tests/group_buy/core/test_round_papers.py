"""Small pure things around a round: counts without small groups, estimates, calendar files."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from group_buy.core.calendar import CalendarDate, calendar_file
from group_buy.core.privacy import without_small_groups
from group_buy.core.proof import GROUP_MIN

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.dictionaries(st.text(max_size=4), st.integers(1, 12), max_size=8))
def test_what_is_hidden_is_nobody_or_at_least_five(counts: dict[str, int]) -> None:
    named, hidden = without_small_groups(counts)
    assert sum(count for _, count in named) + hidden == sum(counts.values())
    assert all(count >= GROUP_MIN for _, count in named)
    assert hidden == 0 or hidden >= GROUP_MIN or named == []


def test_a_lone_small_group_takes_the_smallest_named_one_with_it() -> None:
    assert without_small_groups({"a": 9, "b": 6, "c": 2}) == ([("a", 9)], 8)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=200))
def test_a_calendar_file_is_folded_between_letters_and_reads_back(title: str) -> None:
    text = calendar_file(dates=[CalendarDate("r-closes@rounds", NOON, title)], address="http://x", now=NOON)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    unfolded = text.replace("\r\n ", "")
    [summary] = [line for line in unfolded.split("\r\n") if line.startswith("SUMMARY:")]
    read = (
        summary.removeprefix("SUMMARY:")
        .replace("\\\\", "\0")
        .replace("\\;", ";")
        .replace("\\,", ",")
        .replace("\0", "\\")
    )
    assert read == title


def test_a_calendar_entry_has_utc_instants_and_an_alarm() -> None:
    text = calendar_file(
        dates=[CalendarDate("r-closes@rounds", NOON + timedelta(days=3), "마감, 회차")],
        address="http://x",
        now=NOON,
    )
    assert text.startswith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")
    assert text.endswith("END:VCALENDAR\r\n")
    assert "DTSTART:20260304T120000Z\r\n" in text
    assert "SUMMARY:마감\\, 회차\r\n" in text
    assert "TRIGGER:-P1D\r\n" in text
