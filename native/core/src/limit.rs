//! See `media/limit.py`.
