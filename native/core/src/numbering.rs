//! See `media/numbering.py`.
