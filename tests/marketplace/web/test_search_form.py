"""The address of a search: what is read from it, and that it says the whole search."""

from urllib.parse import parse_qsl, urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.web.search_form import (
    AMOUNT_MAX,
    CONDITIONS,
    INDUSTRIES,
    LEVELS,
    PAGE_MAX,
    SORTS,
    SearchForm,
    list_unknown,
    read_search_form,
)

VALUES = {
    "kind": ("package_model", "product"),
    "category": ("robot", "sensor"),
    "package_type": ("cloud", "clean_energy"),
    "level_to": LEVELS,
    "level_from": LEVELS,
    "industries": INDUSTRIES,
    "subcategory": ("collaborative robot", "plc & i/o", "a=b"),
    "maker_country": ("KR", "DE"),
    "vendor_code": ("alpha", "beta-2"),
    "verification": ("maker", "fictional"),
}
STYLES = {condition.field: condition.style for condition in CONDITIONS}
AMOUNTS = st.none() | st.integers(0, AMOUNT_MAX)


@st.composite
def forms(draw: st.DrawFn) -> SearchForm:
    chosen = {}
    for field in draw(st.lists(st.sampled_from([*STYLES]), unique=True)):
        most = 1 if STYLES[field] == "one" else 3
        chosen[field] = tuple(
            draw(st.lists(st.sampled_from(VALUES[field]), unique=True, min_size=1, max_size=most))
        )
    return SearchForm(
        text=draw(
            st.text(max_size=20).filter(lambda text: ("\0" not in text and bool(text.strip())) or not text)
        ),
        chosen={field: chosen[field] for field in STYLES if field in chosen},
        price_krw_max=draw(AMOUNTS),
        lead_time_days_max=draw(AMOUNTS),
        open_round_only=draw(st.booleans()),
        sort=draw(st.sampled_from(SORTS)),
    )


def read_address(address: str) -> SearchForm:
    return read_search_form(parse_qsl(urlsplit(address).query))


@settings(deadline=None)
@given(forms(), st.integers(1, PAGE_MAX))
def test_an_address_says_the_whole_search(form: SearchForm, page: int):
    assert read_address(form.address()) == form
    assert read_address(form.address(page=page)).page == page


@settings(deadline=None)
@given(forms())
def test_taking_a_condition_off_takes_off_that_one_alone(form: SearchForm):
    for field, values in form.chosen.items():
        for value in values:
            rest = read_address(form.address(without=(field, value)))
            assert rest.chosen.get(field, ()) == tuple(other for other in values if other != value)
            assert {**rest.chosen, field: values} == form.chosen


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["q", "kind", "price_max", "page", "sort", "x"]), st.text(max_size=12))
    )
)
def test_whatever_an_address_holds_it_is_read_or_named(parameters: list[tuple[str, str]]):
    form = read_search_form(parameters)
    assert form.page >= 1
    assert all(name != "x" for name, _ in form.refused)
    form.to_query(lang="ko")


def test_amounts_are_read_as_people_write_them():
    for written, amount in (
        ("50,000,000", 50_000_000),
        ("₩1,000", 1000),
        ("1000원", 1000),
        (" 30 ", 30),
        ("0", 0),
    ):
        assert read_search_form([("price_max", written)]).price_krw_max == amount
    for written in ("€ 50,00", "1,00", "1.000", "-1", "1e6", "99999999999999"):
        form = read_search_form([("price_max", written)])
        assert (form.price_krw_max, form.refused) == (None, (("price_max", written),))


def test_names_that_mean_nothing_are_listed_for_programs():
    assert list_unknown([("q", "x"), ("categry", "robot"), ("utm_source", "mail")]) == [
        "categry",
        "utm_source",
    ]
    assert list_unknown([("page_size", "5")], also=("page_size",)) == []
