"""Who speaks, from the audio levels that browsers write beside each Opus packet (RFC 6464).

Loudness is followed fast upwards and slowly down, so that a word counts at once and a pause between words doesn't end
it. The order changes only when somebody is clearly louder: with equal voices the list stands still.
"""

from media.engine import UpId

INTERVAL_S = 0.2  # between looks; more often, nobody could follow
THRESHOLD_DB = -50.0  # dBov; a quiet room is at -60 and below
MARGIN_DB = 6.0  # louder by this to overtake
HANG_S = 0.8  # still speaking for that long after the last loud packet
SILENCE_DB = -127.0
_RISE, _FALL = 0.4, 0.05  # weight of a new level in the average


class _Voice:
    __slots__ = ("level_db", "loud_at")

    def __init__(self) -> None:
        self.level_db = SILENCE_DB
        self.loud_at = float("-inf")


class SpeakerDetector:
    """`heard` per packet, `look` now and then; `forget` an up that is gone."""

    def __init__(self) -> None:
        self._voices: dict[UpId, _Voice] = {}
        self._speakers: tuple[UpId, ...] = ()

    def heard(self, up: UpId, level: int, now: float) -> None:
        """Take in the extension's octet: voice activity in the top bit, -dBov in the other seven."""
        voice = self._voices.get(up)
        if voice is None:
            voice = self._voices[up] = _Voice()
        level_db = -float(level & 0x7F)
        voice.level_db += (level_db - voice.level_db) * (_RISE if level_db > voice.level_db else _FALL)
        if voice.level_db > THRESHOLD_DB:
            voice.loud_at = now

    @property
    def voices(self) -> int:
        """How many are listened to."""
        return len(self._voices)

    def forget(self, up: UpId) -> None:
        self._voices.pop(up, None)

    def look(self, now: float) -> tuple[UpId, ...] | None:
        """Return the speakers, loudest first, if the list has changed since the last look."""
        voices = self._voices
        speaking = [up for up, voice in voices.items() if now - voice.loud_at < HANG_S]
        ordered = [up for up in self._speakers if up in speaking]
        newcomers = [up for up in speaking if up not in ordered]
        ordered += sorted(newcomers, key=lambda up: -voices[up].level_db)
        # one pass of neighbours: who is clearly louder moves up a place a look
        for at in range(len(ordered) - 1):
            ahead, behind = ordered[at], ordered[at + 1]
            if voices[behind].level_db > voices[ahead].level_db + MARGIN_DB:
                ordered[at], ordered[at + 1] = behind, ahead
        speakers = tuple(ordered)
        if speakers == self._speakers:
            return None
        self._speakers = speakers
        return speakers
