//! See `media/repair.py`.
