"""The pages: one template a page, `_name.html` a part that a page includes and a script may swap.

`create_environment` is all that the application needs. Each template starts with a comment that lists the
context it is given; a name that is missing there is an error (`StrictUndefined`), not an empty spot.

A context holds Structs, dicts and lists, no named tuples: their `count` and `index` hide fields of that name.
Every page also takes what `base.html` lists, with the defaults of `PAGE_DEFAULTS`.
"""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from marketplace.web import charts, formats, i18n, labels, world_map
from marketplace.web.assets import asset, bundle
from marketplace.web.subcategories import subcategory_name

TEMPLATE_DIR = Path(__file__).resolve().parent

PAGE_DEFAULTS: Mapping[str, object] = {
    "user": None,
    "csrf_token": "",
    "is_demo": False,
    "section": "",
    "query_text": "",
    "notice": None,
    "errors": {},
    "values": {},
}
"""Defaults of what `base.html` reads; a page's context goes before them."""

Filter = Callable[..., str]


@cache
def icon(name: str, class_name: str = "icon") -> Markup:
    """A symbol of `icons.svg` as decoration; the words beside it carry the meaning."""
    return Markup('<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>').format(
        class_name, asset("icons.svg"), name
    )


def translate(message: str, **variables: object) -> Markup:
    """`_(…)` of the templates: the message in the language of the request, its `%(name)s` filled with escaped values.

    Does what the extension's own `_` does, by one call instead of four: it is called a hundred times a page.
    """
    text = _translated(i18n.LANG.get(), message)
    return text % variables if variables or "%" in text else text


@lru_cache(maxsize=8192)  # more than there are messages
def _translated(lang: formats.Lang, message: str) -> Markup:
    return Markup(i18n.translations(lang).gettext(message))  # noqa: S704 - messages are the site's own


def spec_text(spec: Any) -> str:
    """A specification with `number`, `number_max`, `text`, `boolean`, `unit` in the language of the request."""
    return formats.spec_value(
        number_min=spec.number,
        number_max=spec.number_max,
        text=spec.text,
        boolean=spec.boolean,
        unit=spec.unit,
        lang=i18n.LANG.get(),
    )


def spec_values_text(values: Mapping[str, Any]) -> str:
    """A specification given as a mapping of the same five fields."""
    return formats.spec_value(
        number_min=values["number"],
        number_max=values["number_max"],
        text=values["text"],
        boolean=values["boolean"],
        unit=values["unit"],
        lang=i18n.LANG.get(),
    )


def facet_value(facet: str, value: object) -> str:
    """A facet's value as people call it: a label, the name of a country or subcategory, or the value itself."""
    if facet == "maker_country":
        return formats.country(str(value), i18n.LANG.get())
    if facet == "subcategory":
        return subcategory_name(str(value))
    kind = labels.FACET_VALUE_KINDS.get(facet)
    return labels.label(kind, value) if kind else str(value)


def remaining(until_at: datetime, now: datetime | None = None) -> str:
    """Time left until `until_at`, seen from `now` or from the clock of this machine (for display only)."""
    return formats.remaining(until_at, now or datetime.now(UTC), i18n.LANG.get())


def in_language(write: Filter) -> Filter:
    """A function of `formats` with the language of the request as its last argument."""

    def written(*arguments: object) -> str:
        return write(*arguments, i18n.LANG.get())

    return written


def create_environment() -> jinja2.Environment:
    """The Jinja environment of the site: templates, both languages, formats and charts."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE_DIR),
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # else every page asks the file system for the age of each template it is made of
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined] # added by the extension
        i18n.gettext, i18n.ngettext, newstyle=True
    )
    environment.globals["_"] = translate
    environment.globals.update(PAGE_DEFAULTS)
    environment.globals.update(
        asset=asset,
        bundle=bundle,
        icon=icon,
        new_id=uuid.uuid4,
        url=i18n.url,
        language_links=i18n.language_links,
        lang=i18n.LANG.get,
        label=labels.label,
        facet_value=facet_value,
        unknown=in_language(formats.unknown),
        remaining=remaining,
        tier_meter=charts.tier_meter,
        world_map=world_map.draw,
    )
    for name in ("won", "won_short", "percent", "moment", "day", "count", "country", "number"):
        environment.filters[name] = in_language(getattr(formats, name))
    environment.filters.update(
        share=in_language(formats.share_interval), iso=formats.iso, spec=spec_text, local=i18n.local
    )
    environment.filters.update(spec_values=spec_values_text, points=formats.points)
    environment.filters["local_list"] = i18n.local_list
    environment.filters["label"] = lambda code, kind: labels.label(kind, code)
    return environment
