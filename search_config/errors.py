"""What search refuses, in the words of the business; each error carries its data."""


class SearchError(Exception):
    """Base of everything search refuses."""


class UnknownField(SearchError):
    """A filter, range, facet or sort names a field that the index settings do not allow."""

    def __init__(self, field: str, *, use: str, allowed: tuple[str, ...]) -> None:
        self.field = field
        self.use = use
        self.allowed = allowed
        super().__init__(f"{field!r} is not a {use} field; allowed: {', '.join(allowed)}")


class InvalidFilterValue(SearchError):
    """A filter value is not of the field's type, or a range is upside down."""

    def __init__(self, field: str, *, value: str, expected: str) -> None:
        self.field = field
        self.value = value
        self.expected = expected
        super().__init__(f"{field!r} cannot be {value!r}: expected {expected}")


class InvalidSettings(SearchError):
    """An index settings file is misspelt or contradicts itself."""

    def __init__(self, file: str, *, reason: str) -> None:
        self.file = file
        self.reason = reason
        super().__init__(f"{file}: {reason}")


class SearchUnavailable(SearchError):
    """The engine cannot answer now; the caller may fall back to PostgreSQL."""

    def __init__(self, index: str, *, reason: str) -> None:
        self.index = index
        self.reason = reason
        super().__init__(f"search index {index!r} is unavailable: {reason}")


class DocumentsRefused(SearchError):
    """The engine cannot index these documents; other documents are not affected."""

    def __init__(self, index: str, *, reason: str) -> None:
        self.index = index
        self.reason = reason
        super().__init__(f"search index {index!r} refused documents: {reason}")


class InvalidCorpus(SearchError):
    """A file of documents or graded queries cannot be read; `line` counts from 1."""

    def __init__(self, file: str, *, line: int, reason: str) -> None:
        self.file = file
        self.line = line
        self.reason = reason
        super().__init__(f"{file}, line {line}: {reason}")
