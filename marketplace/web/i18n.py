"""Two languages: Korean is written in the templates, English comes from `marketplace/locale`.

A page lives at `/search` in Korean and at `/en/search` in English. `LanguagePrefix` strips the prefix before
routing and remembers the language; `url` puts it back. Catalogs are read from `.po` files at start, so there is
no compiled file to build or to forget.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, cast

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from marketplace.web.formats import Lang

LOCALE_DIR = Path(__file__).resolve().parent.parent / "locale"
ENGLISH_PREFIX = "/en"
PLAIN_PATHS = ("/static/", "/api/")
"""Served the same in every language, so they never carry the prefix."""

LANG: ContextVar[Lang] = ContextVar("lang", default="ko")
"""The language of the request. A generator that outlives its handler (events) must read it first and set it."""

PAGE_PATH: ContextVar[str] = ContextVar("page_path", default="/")
"""Path and query string of the request without the language prefix, for the language switch."""


class LanguageLink(NamedTuple):
    """One entry of the language switch; `href` is this page in `lang`."""

    lang: Lang
    name: str
    href: str
    current: bool


class LanguagePrefix:
    """ASGI wrapper: `/en/x` is routed as `/x` with `LANG` set to English.

    Only HTTP requests are looked at. `raw_path` is rewritten with `path`, because routers read either.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        english = path == ENGLISH_PREFIX or path.startswith(ENGLISH_PREFIX + "/")
        if english:
            path = path.removeprefix(ENGLISH_PREFIX) or "/"
            raw_path = scope["raw_path"].removeprefix(ENGLISH_PREFIX.encode()) or b"/"
            scope = cast("Scope", {**scope, "path": path, "raw_path": raw_path})
        query = scope["query_string"].decode("ascii", "replace")
        lang_token = LANG.set("en" if english else "ko")
        path_token = PAGE_PATH.set(f"{path}?{query}" if query else path)
        try:
            await self.app(scope, receive, send)
        finally:
            LANG.reset(lang_token)
            PAGE_PATH.reset(path_token)


def url(path: str, lang: Lang | None = None) -> str:
    """`path` in the language of the request (or in `lang`); addresses outside the site are left alone."""
    target = lang or LANG.get()
    if target == "ko" or not path.startswith("/") or path.startswith(PLAIN_PATHS):
        return path
    return ENGLISH_PREFIX if path == "/" else ENGLISH_PREFIX + path


def language_links() -> list[LanguageLink]:
    """This page in each language, Korean first."""
    names: Mapping[Lang, str] = {"ko": "한국어", "en": "English"}
    current, path = LANG.get(), PAGE_PATH.get()
    return [LanguageLink(lang, name, url(path, lang), lang == current) for lang, name in names.items()]


@cache
def translations(lang: Lang) -> NullTranslations:
    """The catalog of `lang`; a message without a translation comes back as it was written, in Korean.

    Raises:
        PoFileError: the catalog's file is broken.
    """
    if lang == "ko":
        return NullTranslations()
    with (LOCALE_DIR / lang / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalog = read_po(file, locale=lang, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return GNUTranslations(compiled)


def gettext(message: str) -> str:
    """`message` in the language of the request."""
    return translations(LANG.get()).gettext(message)


def ngettext(singular: str, plural: str, n: int) -> str:
    """`singular` or `plural` in the language of the request."""
    return translations(LANG.get()).ngettext(singular, plural, n)


def local(thing: object, field: str) -> str:
    """`thing.<field>_ko` or `thing.<field>_en` (attribute or key); the other language where one is missing."""
    return str(_in_language(thing, field) or "")


def local_list(thing: object, field: str) -> list[str]:
    """Like `local` for lists of short lines (`included_ko`, `included_en`)."""
    return [str(line) for line in _in_language(thing, field) or ()]


def _in_language(thing: object, field: str) -> Any:
    for lang in ("en", "ko") if LANG.get() == "en" else ("ko", "en"):
        name = f"{field}_{lang}"
        value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
        if value:
            return value
    return None
