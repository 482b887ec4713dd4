"""Answer a PDF that somebody brought: as a download, and without rights should a browser show it all the same."""

from urllib.parse import quote

from litestar import Response


def pdf_response(name: str, content: bytes) -> Response[bytes]:
    """The file under its own name, Korean too (RFC 6266, RFC 8187)."""
    file_name = name if name.lower().endswith(".pdf") else f"{name}.pdf"
    return Response(
        content,
        media_type="application/pdf",
        headers={
            "content-disposition": f"attachment; filename=\"file.pdf\"; filename*=UTF-8''{quote(file_name, safe='')}",
            "cache-control": "private, no-store",
        },
    )
