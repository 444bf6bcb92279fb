"""The native engine: what `media/native.py` wraps.

Times are monotonic seconds, rates bit/s, ids as in `media.engine`.
"""

__version__: str
