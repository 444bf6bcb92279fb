//! See `media/arrivals.py`.
