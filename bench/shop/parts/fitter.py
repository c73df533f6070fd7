"""The fitter: its first round over all pages."""

from __future__ import annotations

import time
from typing import Any

from bench.shop.report import blank, memory
from bench.shop.workplace import Workplace

LOOK_S = 0.25
FITS, FIT_S = "reshelf_fits_total", "reshelf_fit_seconds_sum"


def measure(at: Workplace) -> dict[str, Any]:
    """Ready, and seconds until each page has been fitted, or as many as were in the time that is given."""
    figures, pages = blank("fitter"), at.shop.size.pages
    with at.part("fitter") as part:
        figures |= part.started(at.options.ready_s)
        rest, began, cpu = part.rss_mb, time.monotonic(), part.cpu_s()
        done, spent = 0.0, 0.0
        while part.alive and done < pages and time.monotonic() - began < at.options.round_s:
            time.sleep(LOOK_S)
            done = part.count(FITS, "fitted") + part.count(FITS, "failed")
            spent = part.count(FIT_S)
        took = time.monotonic() - began
        figures |= {
            "pages": pages,
            "pages_fitted": round(done),
            "round_s": round(took, 1) if done >= pages else None,
            "fit_s": round(spent / done, 2) if done else None,
            "cpu": round((part.cpu_s() - cpu) / took, 3),
        }
        figures |= memory(part, rest)
    return figures | {"redis_mb": at.redis().mb, "quota_letters": at.quota_letters()}
