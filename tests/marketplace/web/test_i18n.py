"""Two languages: nothing is left untranslated, and every page has its twin under /en."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg  # type: ignore[attr-defined] # newer than the stubs
from babel.messages.pofile import read_po
from litestar.types import Receive, Scope, Send

from marketplace.web import i18n, labels
from marketplace.web.templates import TEMPLATE_DIR, create_environment

HANGUL = re.compile("[ᄀ-ᇿ㄰-㆏가-힣]")
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}


def messages() -> set[str]:
    """Every text of the templates and of the Python beside them."""
    with (i18n.LOCALE_DIR / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(i18n.LOCALE_DIR.parent, methods, options, keywords=KEYWORDS)
    return {text for _, _, text, _, _ in found if isinstance(text, str)}


def english() -> dict[str, str]:
    with (i18n.LOCALE_DIR / "en" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return {str(entry.id): str(entry.string) for entry in read_po(file, locale="en") if entry.id}


@pytest.fixture
def in_english() -> Iterator[None]:
    token = i18n.LANG.set("en")
    yield
    i18n.LANG.reset(token)


def test_the_catalog_is_well_formed_and_says_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    path = i18n.LOCALE_DIR / "en" / "LC_MESSAGES" / "messages.po"
    ids = re.findall(r'^msgid ("(?:[^"\\]|\\.)+")$', path.read_text("utf-8"), re.MULTILINE)
    assert sorted({text for text in ids if ids.count(text) > 1}) == []
    i18n.translations.cache_clear()
    assert i18n.translations("en").gettext("로그인") == "Sign in"
    assert i18n.translations("ko").gettext("로그인") == "로그인"
    assert capsys.readouterr().out == "", "a newcomer's terminal shows what babel has to say"


def test_every_text_has_an_english_translation() -> None:
    catalog = english()
    assert sorted(text for text in messages() if not catalog.get(text)) == []


def test_no_english_translation_holds_hangul() -> None:
    assert {text: translation for text, translation in english().items() if HANGUL.search(translation)} == {}


def test_translations_keep_the_placeholders() -> None:
    catalog = english()
    assert [
        t for t in catalog if sorted(PLACEHOLDER.findall(t)) != sorted(PLACEHOLDER.findall(catalog[t]))
    ] == []
    assert [t for t in catalog if t.count("<b>") != catalog[t].count("<b>")] == []


def test_every_template_compiles() -> None:
    environment = create_environment()
    names = sorted(path.name for path in TEMPLATE_DIR.glob("*.html"))
    assert [environment.get_template(name).name for name in names] == names


def test_no_template_carries_inline_style_or_script() -> None:
    """The content security policy would silently drop them."""
    forbidden = re.compile(r"""\sstyle=|\son[a-z]+=["']|<style|<script(?![^>]*\ssrc=)""")
    guilty = [path.name for path in TEMPLATE_DIR.glob("*.html") if forbidden.search(path.read_text("utf-8"))]
    assert guilty == []


def test_every_form_that_posts_carries_the_token() -> None:
    for path in TEMPLATE_DIR.glob("*.html"):
        text = path.read_text("utf-8")
        forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.DOTALL)
        assert [form for form in forms if "csrf" not in form] == [], path.name


def test_a_text_of_a_template_is_filled_with_escaped_values_as_the_extension_does_it(
    in_english: None,
) -> None:
    template = create_environment().from_string(
        "{{ _('<b>%(text)s</b>만', text=value) }} {{ _('100%%') }} {{ _('결정하기') }}"
    )
    assert template.render(value="<i>") == "Only <b>&lt;i&gt;</b> 100% Decide"


def test_labels_are_written_in_the_language_of_the_request(in_english: None) -> None:
    assert labels.label("category", "robot") == "Robot"
    assert labels.label("level", 4) == "Intermediate 2 (level 4)"
    assert labels.label("category", "teapot") == "teapot"
    with pytest.raises(KeyError):
        labels.label("no such kind", "robot")


def test_addresses_carry_the_prefix_in_english_only(in_english: None) -> None:
    assert i18n.url("/search?q=x") == "/en/search?q=x"
    assert i18n.url("/") == "/en"
    assert i18n.url("/static/app.css") == "/static/app.css"
    assert i18n.url("https://example.com/") == "https://example.com/"
    assert i18n.url("/search", "ko") == "/search"


@pytest.mark.parametrize(
    ("path", "routed", "lang", "twin"),
    [
        ("/en/search", "/search", "en", "/search?q=1"),
        ("/en", "/", "en", "/?q=1"),
        ("/search", "/search", "ko", "/en/search?q=1"),
        ("/energy", "/energy", "ko", "/en/energy?q=1"),
    ],
)
async def test_the_prefix_is_stripped_before_routing(path: str, routed: str, lang: str, twin: str) -> None:
    seen: dict[str, object] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        links = {link.href for link in i18n.language_links() if not link.current}
        seen.update(path=scope["path"], raw_path=scope["raw_path"], lang=i18n.LANG.get(), twins=links)

    scope = {"type": "http", "path": path, "raw_path": path.encode(), "query_string": b"q=1"}
    await i18n.LanguagePrefix(app)(scope, None, None)  # type: ignore[arg-type] # the least a wrapper reads
    assert seen == {"path": routed, "raw_path": routed.encode(), "lang": lang, "twins": {twin}}
    assert i18n.LANG.get() == "ko"


def test_a_missing_language_falls_back_to_the_other(in_english: None) -> None:
    assert i18n.local({"name_ko": "로봇", "name_en": "Robot"}, "name") == "Robot"
    assert i18n.local({"name_ko": "로봇", "name_en": ""}, "name") == "로봇"
    assert i18n.local({}, "name") == ""
    assert i18n.local_list({"included_ko": ["가"], "included_en": ["a", "b"]}, "included") == ["a", "b"]


def test_static_files_are_first_party_and_small() -> None:
    static = Path(i18n.__file__).parent / "static"
    sizes = {path.name: path.stat().st_size for path in static.iterdir() if path.is_file()}
    assert max(sizes.values()) < 50_000
    assert sizes.keys() == {"app.css", "card.js", "icons.svg", "favicon.svg", "paper.css"}


def test_every_icon_that_a_template_names_is_drawn() -> None:
    drawn = set(
        re.findall(
            r'<symbol id="([a-z]+)"', (TEMPLATE_DIR.parent / "static" / "icons.svg").read_text("utf-8")
        )
    )
    named = {
        name
        for path in TEMPLATE_DIR.glob("*.html")
        for name in re.findall(r"icon\('([a-z]+)'", path.read_text("utf-8"))
    }
    assert named | set(labels.LABELS["category"]) <= drawn
