"""Write a paper out in both languages, once, when it is issued: what is kept of it is what was written."""

from group_buy.core.paper import PaperData
from group_buy.papers import PaperHead
from marketplace.web.formats import Lang
from marketplace.web.i18n import LANG
from marketplace.web.render import environment


def render_paper(head: PaperHead, data: PaperData) -> tuple[str, str]:
    """The part of a page that is the paper, in Korean and in English."""
    return _written("ko", head, data), _written("en", head, data)


def _written(lang: Lang, head: PaperHead, data: PaperData) -> str:
    token = LANG.set(lang)
    try:
        return environment().get_template(f"_paper_{head.kind}.html").render(head=head, data=data)
    finally:
        LANG.reset(token)
