"""Codes of others: their form and check digits."""

import pytest

from catalog.core.cells import UnreadableCell
from catalog.core.external_codes import READERS, CodeScheme, read_scheme_version


@pytest.mark.parametrize(
    ("scheme", "written", "value"),
    [
        ("g2b", "43211503", "43211503"),
        ("g2b", "43211503-12345678", "43211503-12345678"),
        ("hs", "8479.50", "847950"),
        ("hs", "8479.50-1000", "8479501000"),
        ("gtin", "8801234567893", "8801234567893"),
        ("gtin", "4006381333931", "4006381333931"),  # published, a pen
        ("eclass", "0173-1#01-AKJ975#017", "0173-1#01-AKJ975#017"),
        ("eclass", "27-37-22-14", "27372214"),
    ],
)
def test_a_code_is_kept_in_its_own_form(scheme: CodeScheme, written: str, value: str) -> None:
    assert READERS[scheme](written) == value


@pytest.mark.parametrize(
    ("scheme", "written"),
    [
        ("g2b", "4321150"),
        ("g2b", "43211503-1"),
        ("hs", "84795"),
        ("hs", "9950.00"),
        ("hs", "0000.00"),
        ("gtin", "4006381333932"),
        ("gtin", "400638133393"),
        ("eclass", "0173-1#01-AKJ97#017"),
        ("eclass", "27-37-22"),
        ("gtin", "<script>"),
    ],
)
def test_a_code_of_another_form_is_refused(scheme: CodeScheme, written: str) -> None:
    with pytest.raises(UnreadableCell):
        READERS[scheme](written)


def test_a_scheme_version_is_a_number_or_a_release() -> None:
    assert [read_scheme_version(text) for text in ("2022", "14.0", "2024-1")] == ["2022", "14.0", "2024-1"]
    with pytest.raises(UnreadableCell):
        read_scheme_version("newest")
