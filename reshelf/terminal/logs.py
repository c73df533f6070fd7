"""How processes log: a JSON object in a line for machines, words for people."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

TEXT = "%(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """One JSON object for each record: time (UTC), level, logger, process, message, and the error if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage().encode(errors="backslashreplace").decode(),
        }
        if record.exc_info:
            content["error"] = self.formatException(record.exc_info)
        return orjson.dumps(content, default=str).decode()


def arrange(form: str) -> None:
    """Have all handlers of the root logger write in a form: json, text, or auto for text on a terminal alone."""
    json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines() if json else logging.Formatter(TEXT))
