"""A round's dates as a calendar file (RFC 5545)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

LINE_OCTETS_MAX: Final = 75
"""RFC 5545, section 3.1: longer lines are folded."""


class CalendarDate(Struct, frozen=True):
    """One instant (UTC) with a title; `uid` stays the same over time, so that a new file replaces the old entry."""

    uid: str
    at: datetime
    title: str


def calendar_file(*, dates: Sequence[CalendarDate], address: str, now: datetime) -> str:
    """The file's text with CRLF line ends; each entry has an alarm a day before."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Smart Factory Alliance//rounds//KO"]
    for date in dates:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{date.uid}",
            f"DTSTAMP:{_instant(now)}",
            f"DTSTART:{_instant(date.at)}",
            f"SUMMARY:{_escaped(date.title)}",
            f"URL:{address}",
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            f"DESCRIPTION:{_escaped(date.title)}",
            "TRIGGER:-P1D",
            "END:VALARM",
            "END:VEVENT",
        ]
    return "".join(f"{_folded(line)}\r\n" for line in [*lines, "END:VCALENDAR"])


def _instant(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
    return (
        text.replace("\\", "\\\\")
        .replace(";", "\\;")
        .replace(",", "\\,")
        .replace("\r", "")
        .replace("\n", "\\n")
    )


def _folded(line: str) -> str:
    """Break after at most 75 octets, never inside a letter; a continuation begins with a blank."""
    pieces, piece, octets = [], "", 0
    for letter in line:
        size = len(letter.encode())
        if octets + size > LINE_OCTETS_MAX:
            pieces.append(piece)
            piece, octets = " ", 1
        piece += letter
        octets += size
    return "\r\n".join([*pieces, piece])
