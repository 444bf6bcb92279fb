"""What is not HTTP at all: aiohttp answers it by itself, below every middleware, and logs it as an error of ours.

It is an error of whoever sent it, and anybody can send a lot of it: it is counted, and not logged.
"""

import contextlib
import logging
from collections.abc import Iterator

from aiohttp.http_exceptions import HttpProcessingError

from medinova_rt.operations.telemetry import Counters


class _Count(logging.Filter):
    def __init__(self, counters: Counters) -> None:
        super().__init__()
        self._counters = counters

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        is_malformed = isinstance(error, HttpProcessingError)
        if is_malformed:
            self._counters.add("api.malformed")
        return not is_malformed and record.levelno >= logging.WARNING


@contextlib.contextmanager
def counted(counters: Counters) -> Iterator[logging.Logger]:
    """Yield the logger to give to an aiohttp runner."""
    logger, count = logging.getLogger("api.http"), _Count(counters)
    logger.setLevel(logging.DEBUG)  # at which what looks like TLS is told
    logger.addFilter(count)
    try:
        yield logger
    finally:
        logger.removeFilter(count)
