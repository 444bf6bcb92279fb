//! See `media/speaker.py`.
