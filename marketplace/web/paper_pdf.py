"""Papers as PDF by WeasyPrint, where it and the system's pango are there; nothing is fetched, from no address or file.

It is imported when the first PDF is asked for, because it takes memory that a market without PDFs need not spend.
"""

import asyncio
import importlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, Final

import structlog

from group_buy.errors import PaperRefused
from marketplace.web.formats import Lang

PAPER_STYLE: Final = Path(__file__).resolve().parent / "static" / "paper.css"
PAGES_MAX: Final = 20
AT_ONCE: Final = asyncio.Semaphore(1)
"""Laying out is Python under one lock anyway; more at once would only slow pages down."""

log = structlog.get_logger("marketplace.papers")


class PdfUnavailable(Exception):
    """WeasyPrint or a library that it needs is not on this machine."""


@cache
def find_weasyprint() -> Any | None:
    """WeasyPrint, or None where it or pango is missing; asked once, because a failed import stays failed."""
    try:
        return importlib.import_module("weasyprint")
    except (ImportError, OSError) as error:
        log.warning("papers are not written as PDF", reason=str(error).splitlines()[0])
        return None


def may_write_pdf() -> bool:
    """Whether a PDF may be offered: without importing anything as long as nobody asked for one."""
    if find_weasyprint.cache_info().currsize:
        return find_weasyprint() is not None
    return importlib.util.find_spec("weasyprint") is not None


def write_pdf_now(html: str, *, title: str, lang: Lang) -> bytes:
    """A paper's PDF. Blocks for a part of a second.

    Raises:
        PdfUnavailable: WeasyPrint cannot be used here.
        PaperRefused: `too_large`, more than PAGES_MAX pages.
    """
    weasyprint = find_weasyprint()
    if weasyprint is None:
        raise PdfUnavailable
    page = (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{PAPER_STYLE.read_text(encoding='utf-8')}</style></head><body>{html}</body></html>"
    )
    fetch_nothing = weasyprint.urls.URLFetcher(allowed_protocols=())
    document = weasyprint.HTML(string=page, url_fetcher=fetch_nothing).render()
    if len(document.pages) > PAGES_MAX:
        raise PaperRefused("too_large")
    pdf: bytes = document.write_pdf()
    return pdf


async def write_pdf(html: str, *, title: str, lang: Lang) -> bytes:
    """Like `write_pdf_now`, beside the event loop and one after the other."""
    async with AT_ONCE:
        return await asyncio.to_thread(write_pdf_now, html, title=title, lang=lang)
