//! See `media/nack.py`.
