"""Camera and microphone files for Chromium's fake devices, made when a test asks for them.

Chromium plays an .mjpeg at 30 frames/s and a .wav at its own rate, each over and over.
"""

import math
import random
import struct
import wave
from pathlib import Path

import av

FRAMES_PER_S = 30
PERIOD_S = 1  # of flash and beep
MARK_S = 0.1  # how long a flash, and a beep, lasts
WIDTH, HEIGHT = 640, 360

_NOISE = bytes(96 + value // 4 for value in range(256))
_BAR = bytes(160 + value // 4 for value in range(256))


def moving(path: Path) -> Path:
    """Write two seconds of a bar crossing fresh noise, which no encoder can make small."""
    source = random.Random(1)
    frames = []
    for number in range(2 * FRAMES_PER_S):
        left = number * 10 % (WIDTH - 80)
        rows = (source.randbytes(WIDTH) for _ in range(HEIGHT))
        luma = b"".join(
            row[:left].translate(_NOISE) + row[left : left + 80].translate(_BAR) + row[left + 80 :].translate(_NOISE)
            for row in rows
        )
        frames.append(luma)
    return _write(path, frames)


def flashes(path: Path) -> Path:
    """Write one period: dark grey, white for its first MARK_S."""
    marked = round(MARK_S * FRAMES_PER_S)
    dark, white = bytes([48]) * (WIDTH * HEIGHT), bytes([235]) * (WIDTH * HEIGHT)
    return _write(path, [white] * marked + [dark] * (PERIOD_S * FRAMES_PER_S - marked))


def beeps(path: Path, rate: int = 48000) -> Path:
    """Write one period: a tone of 1 kHz for its first MARK_S, then silence."""
    marked = round(MARK_S * rate)
    tone = (round(20000 * math.sin(2 * math.pi * 1000 * sample / rate)) for sample in range(marked))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack(f"<{marked}h", *tone) + bytes(2 * (PERIOD_S * rate - marked)))
    return path


def _write(path: Path, frames: list[bytes]) -> Path:
    with av.open(str(path), "w", format="mjpeg") as file:
        stream = file.add_stream("mjpeg", rate=FRAMES_PER_S, options={"huffman": "default", "qmin": "3", "qmax": "3"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for luma in frames:
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuvj420p")
            for plane, data in zip(frame.planes, (luma, b"\x80", b"\x80"), strict=True):
                plane.update(data * (plane.buffer_size // len(data)))
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path
