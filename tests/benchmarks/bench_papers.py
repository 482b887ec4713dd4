"""What a paper costs as PDF: `python tests/benchmarks/bench_papers.py`; the limit is one second a paper.

Lays out a long approval request (four tables of 14 rows) in Korean again and again, as the server does, and
prints CPU and wall milliseconds of the first, the median and the slowest, and how much memory the process grew by.
"""

import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from marketplace.web.paper_pdf import find_weasyprint, write_pdf_now  # noqa: E402 - found by the path above

PAPERS: Final = 30
LIMIT_MS: Final = 1000
CELLS: Final = ("20대 이상", "55,300,000원", "4대", "우리 단가 한도를 넘어 사지 않습니다.")
ROW: Final = f"<tr>{''.join(f'<td>{cell}</td>' for cell in CELLS)}</tr>"
TABLE: Final = f"<table class='paper-table paper-grid'>{ROW * 14}</table>"


def a_long_paper() -> str:
    parts = "".join(f"<h2>{n}. 모집 수량에 따른 결과</h2>{TABLE}" for n in range(1, 5))
    return f"<article class='paper' lang='ko'><header><h1>품의서</h1></header>{parts}</article>"


def main() -> int:
    html, cpu_ms, wall_ms = a_long_paper(), [], []
    started_cpu, started = time.process_time(), time.perf_counter()
    if find_weasyprint() is None:
        print("papers: WeasyPrint or pango is not on this machine; nothing measured")
        return 0
    import_cpu, import_wall = time.process_time() - started_cpu, time.perf_counter() - started
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(PAPERS):
        cpu, wall = time.process_time(), time.perf_counter()
        content = write_pdf_now(html, title="품의서", lang="ko")
        cpu_ms.append((time.process_time() - cpu) * 1000)
        wall_ms.append((time.perf_counter() - wall) * 1000)
    size = len(content) // 1024
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"import of WeasyPrint, once: {import_cpu * 1000:.0f} ms CPU, {import_wall * 1000:.0f} ms")
    for name, found in (("CPU", cpu_ms), ("wall", wall_ms)):
        median, slowest = statistics.median(found), max(found)
        print(
            f"a paper of {size} KiB, {name} ms: first {found[0]:.0f}, median {median:.0f}, slowest {slowest:.0f}"
        )
    print(f"memory grown by {PAPERS} papers: {grown} MiB; limit of a paper: {LIMIT_MS} ms")
    return int(statistics.median(cpu_ms) > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
