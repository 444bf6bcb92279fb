//! See `media/keyframe.py`.
