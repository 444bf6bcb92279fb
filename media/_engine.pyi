"""The native engine: what `media/native.py` wraps.

Times are monotonic seconds, rates bit/s, ids as in `media.engine`.
"""

__all__ = ["__version__"]

__version__: str
