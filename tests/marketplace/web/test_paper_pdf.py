"""Papers as PDF: nothing is fetched, pages are limited, and it is not imported before it is needed."""

import subprocess
import sys

import pytest

from group_buy.errors import PaperRefused
from marketplace.web.paper_pdf import PAGES_MAX, PAPER_STYLE, find_weasyprint, write_pdf_now

needs_weasyprint = pytest.mark.skipif(
    find_weasyprint() is None, reason="WeasyPrint or the system's pango is not on this machine"
)


@needs_weasyprint
def test_a_pdf_holds_no_file_of_the_server_and_asks_no_address(tmp_path, monkeypatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("socket.socket.connect", lambda *_: asked.append("socket"))
    secret = tmp_path / "secret.txt"
    secret.write_text("do not print")
    html = (
        f'<img src="{secret.as_uri()}"><img src="http://127.0.0.1:9/x.png"><img src="data:image/png;base64,AA==">'
        f'<link rel="attachment" href="{secret.as_uri()}"><style>@import url("{secret.as_uri()}");'
        f'@font-face {{ font-family: x; src: url("{secret.as_uri()}") }}</style><p>품의서</p>'
    )
    plain = write_pdf_now("<p>품의서</p>", title="품의서", lang="ko")
    tried = write_pdf_now(html, title="품의서", lang="ko")
    assert asked == []
    assert plain.startswith(b"%PDF-")
    assert b"EmbeddedFile" not in tried
    assert b"/Image" not in tried


@needs_weasyprint
def test_a_paper_of_too_many_pages_is_refused() -> None:
    page = '<p style="break-after: page">쪽</p>'
    assert write_pdf_now(page * (PAGES_MAX - 1), title="x", lang="ko").startswith(b"%PDF-")
    with pytest.raises(PaperRefused) as refused:
        write_pdf_now(page * PAGES_MAX + "<p>끝</p>", title="x", lang="ko")
    assert refused.value.reason == "too_large"


def test_weasyprint_is_not_imported_before_a_pdf_is_asked_for() -> None:
    code = "import sys, marketplace.web.pages.papers; sys.exit('weasyprint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_style_of_papers_names_no_address() -> None:
    style = PAPER_STYLE.read_text(encoding="utf-8")
    assert "url(" not in style
    assert "@import" not in style
