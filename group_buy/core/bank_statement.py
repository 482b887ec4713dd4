"""A bank's list of transactions as lines of money, or errors that name line and column. Pure.

Korean banks write CSV in CP949 or UTF-8, with title lines above the header, thousands commas, sums below, and column
names of their own. The names below are those of the exports of large banks' internet banking.
"""

import csv
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from catalog.core.cells import Wording
from catalog.core.import_rows import (
    CELL_LENGTH_MAX,
    FILE_BYTES_MAX,
    ROWS_MAX,
    RawTable,
    RowError,
    clean_cell,
    open_text,
    row_error,
)
from catalog.core.money import ROUND_KRW_MAX

KOREA: Final = ZoneInfo("Asia/Seoul")
TITLE_LINES_MAX: Final = 30
YEAR_MIN: Final = 2000

Precision = Literal["day", "minute", "second"]
Role = Literal["at", "time", "received", "paid", "amount", "way", "balance", "text", "branch"]

COLUMN_NAMES: Final[dict[Role, tuple[str, ...]]] = {
    "at": ("거래일시", "거래일자", "거래일", "일시", "일자", "거래년월일", "거래날짜"),
    "time": ("거래시간", "거래시각", "시간", "시각"),
    "received": ("입금액", "입금", "입금금액", "맡기신금액", "받은금액"),
    "paid": ("출금액", "출금", "출금금액", "찾으신금액", "지급액", "보낸금액"),
    "amount": ("거래금액", "금액"),
    "way": ("구분", "거래구분", "입출금구분", "입출구분"),
    "balance": ("잔액", "거래후잔액", "잔고", "거래후잔고"),
    "text": (
        "적요", "내용", "거래내용", "기재내용", "보낸분", "받는분", "보낸분/받는분", "의뢰인/수취인", "의뢰인", "수취인",
        "의뢰인명", "입금자", "입금자명", "상대계좌예금주명", "메모", "송금메모", "통장메모", "통장표시내용", "비고",
    ),
    "branch": ("거래점", "거래점명", "취급점", "취급지점", "거래지점", "취급기관"),
}  # fmt: skip

_SUM_ROW = re.compile(r"(합|총|소)\s*계|^계$|총\s*\d+\s*건")
_ACCOUNT = re.compile(r"계좌(?:번호)?[^0-9]{0,12}([0-9][0-9\- ]{4,30}[0-9])")
_DAY = re.compile(r"(\d{4})[-./년]\s?(\d{1,2})[-./월]\s?(\d{1,2})일?\.?|(\d{4})(\d{2})(\d{2})")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?|(\d{2})(\d{2})(\d{2})")
_WON = re.compile(r"[₩￦\\]? ?(\d{1,3}(?:,\d{3})+|\d{1,16}) ?원?")
_MONEY = Wording(
    "a whole number of won that is not negative, such as 1,234,000", "음수가 아닌 원 단위 정수(예: 1,234,000)"
)
_DATE = Wording(
    f"a day from {YEAR_MIN} until today, such as 2026-11-25 14:03:22",
    f"{YEAR_MIN}년부터 오늘까지의 일시(예: 2026-11-25 14:03:22)",
)


class BankLine(msgspec.Struct, frozen=True):
    """One transaction. Won; one of `received_krw` and `paid_krw` is 0. `copy_no` tells equal lines of a file apart."""

    line: int
    booked_at: datetime
    remitter: str
    received_krw: int
    paid_krw: int
    balance_krw: int | None
    branch: str
    searched: str
    digest: bytes
    copy_no: int


class Statement(msgspec.Struct, frozen=True):
    """A file as lines. `account` is what its title says (digits), or empty. A broken file has errors alone."""

    account: str = ""
    has_balance: bool = False
    precision: Precision = "day"
    lines: tuple[BankLine, ...] = ()
    errors: tuple[RowError, ...] = ()
    is_broken: bool = False


class _Unreadable(Exception):
    def __init__(self, role: Role, found: str, expected: Wording) -> None:
        self.role = role
        self.found = found
        self.expected = expected
        super().__init__(found)


def clean_account(text: str) -> str:
    """An account number without its hyphens and spaces."""
    return re.sub(r"[\s\-]", "", unicodedata.normalize("NFKC", text))


def read_statement(content: bytes, *, now: datetime) -> Statement:
    """Read a bank's CSV, in UTF-8 or CP949; `now` bounds its dates. Never an exception.

    An error leaves out its row. What makes the file broken: another encoding, no header row, open quotes, its size.
    """
    if len(content) > FILE_BYTES_MAX:
        mebibytes = FILE_BYTES_MAX // 2**20
        return _broken(
            0,
            f"{len(content):,} bytes",
            Wording(f"a file of at most {mebibytes} MiB", f"{mebibytes} MiB 이내의 파일"),
        )
    text = open_text(content)
    if isinstance(text, RawTable):
        return Statement(errors=text.errors, is_broken=True)
    rows: list[tuple[int, list[str]]] = []
    written = text.read()
    first_lines = written[:4000]
    delimiter = "\t" if first_lines.count("\t") > first_lines.count(",") else ","
    reader = csv.reader(written.splitlines(keepends=True), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            cleaned = [clean_cell(cell) for cell in cells]
            if any(cleaned):
                rows.append((line, cleaned))
            line = reader.line_num + 1
            if len(rows) > ROWS_MAX + TITLE_LINES_MAX:
                return _broken(
                    line,
                    f"more than {ROWS_MAX:,} rows",
                    Wording(f"at most {ROWS_MAX:,} rows", f"{ROWS_MAX:,}행 이내"),
                )
    except csv.Error as error:
        return _broken(
            line,
            str(error),
            Wording("well-formed CSV: quotes closed and doubled inside", "따옴표가 올바른 CSV"),
        )
    return _read_rows(rows, now=now)


def _broken(line: int, found: str, expected: Wording) -> Statement:
    return Statement(errors=(row_error(line, "", found, expected),), is_broken=True)


def _read_rows(rows: Sequence[tuple[int, list[str]]], *, now: datetime) -> Statement:
    for position, (_, cells) in enumerate(rows[: TITLE_LINES_MAX + 1]):  # noqa: B007 - where the header was found
        roles = [_role_of(name) for name in cells]
        if "at" in roles and ({"received", "amount"} & set(roles)):
            break
    else:
        found = " | ".join(cell for cell in rows[0][1] if cell) if rows else ""
        wording = Wording(
            "a header row with 거래일시 and 입금액 within the first 30 lines",
            "30행 안에 거래일시·입금액 열이 있는 머리글 행",
        )
        return _broken(rows[0][0] if rows else 1, found, wording)
    titles = " ".join(cell for _, title in rows[:position] for cell in title)
    named = _ACCOUNT.search(titles)
    return _Reader(rows[position][1], roles, now).read(
        rows[position + 1 :], account=clean_account(named[1]) if named else ""
    )


def _role_of(name: str) -> Role | None:
    plain = re.sub(r"\(.*?\)|\[.*?\]|\s", "", unicodedata.normalize("NFKC", name))
    return next((role for role, names in COLUMN_NAMES.items() if plain in names), None)


class _Reader:
    """Reads the rows below one header; remembers what all rows must have in common."""

    def __init__(self, header: list[str], roles: list[Role | None], now: datetime) -> None:
        self.header = header
        self.roles = roles
        self.now = now
        self.precision: Precision | None = None
        self.copies: Counter[bytes] = Counter()

    def read(self, rows: Sequence[tuple[int, list[str]]], *, account: str) -> Statement:
        lines, errors = [], []
        for line, cells in rows:
            cut = cells[: len(self.header)] + [""] * (len(self.header) - len(cells))
            day = self._cell(cut, "at")
            if _SUM_ROW.search(day) or (not day and any(_SUM_ROW.search(cell) for cell in cells)):
                continue
            try:
                if any(cells[len(self.header) :]):
                    wording = Wording(
                        f"{len(self.header)} cells as in the header", f"머리글과 같은 {len(self.header)}칸"
                    )
                    raise _Unreadable("text", f"{len(cells)} cells", wording)
                lines.append(self._line(line, cut))
            except _Unreadable as problem:
                errors.append(row_error(line, self._name(problem.role), problem.found, problem.expected))
        return Statement(
            account, "balance" in self.roles, self.precision or "day", tuple(lines), tuple(errors)
        )

    def _line(self, line: int, cells: list[str]) -> BankLine:
        booked_at = self._when(cells)
        received_krw, paid_krw = self._amounts(cells)
        balance_krw = self._won(cells, "balance", signed=True) if "balance" in self.roles else None
        if "balance" in self.roles and not self._cell(cells, "balance"):
            raise _Unreadable("balance", "", Wording("the balance after the transaction", "거래 뒤의 잔액"))
        remitter = self._joined(cells, ("text",))
        searched = self._joined(cells, ("text", None))
        # The balance after it tells a transaction apart whatever the texts; without one the texts must.
        identity = [booked_at.isoformat(), str(received_krw), str(paid_krw), str(balance_krw)]
        if balance_krw is None:
            identity.append(re.sub(r"\s", "", unicodedata.normalize("NFKC", searched)))
        digest = hashlib.sha256("\x1f".join(identity).encode()).digest()
        self.copies[digest] += 1
        return BankLine(
            line, booked_at, remitter, received_krw, paid_krw, balance_krw,
            self._joined(cells, ("branch",)), searched, digest, self.copies[digest],
        )  # fmt: skip

    def _when(self, cells: list[str]) -> datetime:
        text = self._cell(cells, "at")
        day = _DAY.match(text)
        rest = text[day.end() :].strip() if day else ""
        time = _TIME.fullmatch(rest or self._cell(cells, "time"))
        if day is None or (rest and time is None):
            raise _Unreadable("at", text, _DATE)
        if not rest and self._cell(cells, "time") and time is None:
            raise _Unreadable(
                "time", self._cell(cells, "time"), Wording("a time such as 14:03:22", "시각(예: 14:03:22)")
            )
        written = [part for part in time.groups() if part is not None] if time else []
        hour, minute, second = (int(part) for part in [*written, "0", "0", "0"][:3])
        precision = _precision(time)
        try:
            year, month, date = (int(part) for part in day.groups() if part is not None)
            at = datetime(year, month, date, hour, minute, second, tzinfo=KOREA)
        except ValueError:
            raise _Unreadable("at", text, _DATE) from None
        if at.year < YEAR_MIN or at > self.now + timedelta(days=1):
            raise _Unreadable("at", text, _DATE)
        if self.precision is None:
            self.precision = precision
        elif precision != self.precision:
            raise _Unreadable(
                "at",
                text,
                Wording("date and time as exact as in the rows above", "위 행들과 같은 자리까지의 일시"),
            )
        return at

    def _amounts(self, cells: list[str]) -> tuple[int, int]:
        if "received" in self.roles:
            received_krw = self._won(cells, "received")
            paid_krw = self._won(cells, "paid") if "paid" in self.roles else 0
        else:
            amount_krw, way = self._won(cells, "amount"), self._cell(cells, "way")
            if ("입금" in way) == ("출금" in way):
                raise _Unreadable("way", way, Wording("입금 or 출금", "입금 또는 출금"))
            received_krw, paid_krw = (amount_krw, 0) if "입금" in way else (0, amount_krw)
        if (received_krw > 0) == (paid_krw > 0):
            role: Role = "received" if "received" in self.roles else "amount"
            wording = Wording("an amount that came in or went out, not both", "입금액과 출금액 가운데 하나")
            raise _Unreadable(role, f"{received_krw:,} / {paid_krw:,}", wording)
        return received_krw, paid_krw

    def _won(self, cells: list[str], role: Role, *, signed: bool = False) -> int:
        text = self._cell(cells, role)
        if text in {"", "-"}:
            return 0
        is_negative = signed and text.startswith("-")
        match = _WON.fullmatch(text.removeprefix("-").strip() if is_negative else text)
        won = int(match[1].replace(",", "")) if match else -1
        if not 0 <= won <= ROUND_KRW_MAX:
            raise _Unreadable(role, text, _MONEY)
        return -won if is_negative else won

    def _cell(self, cells: list[str], role: Role) -> str:
        return next((cell for cell, own in zip(cells, self.roles, strict=True) if own == role), "")

    def _name(self, role: Role) -> str:
        return next((name for name, own in zip(self.header, self.roles, strict=True) if own == role), "")

    def _joined(self, cells: list[str], roles: tuple[Role | None, ...]) -> str:
        texts = [cell for cell, own in zip(cells, self.roles, strict=True) if own in roles and cell]
        joined = " ".join(dict.fromkeys(texts))
        printable = "".join(char if char.isprintable() else " " for char in joined)
        if len(printable) > CELL_LENGTH_MAX:
            raise _Unreadable(
                "text",
                printable,
                Wording(f"at most {CELL_LENGTH_MAX:,} characters", f"{CELL_LENGTH_MAX:,}자 이내"),
            )
        return printable


def _precision(time: re.Match[str] | None) -> Precision:
    if time is None:
        return "day"
    return "minute" if time[1] is not None and time[3] is None else "second"
