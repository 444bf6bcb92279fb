"""How a name is compared: without case, accents and punctuation, by its words, with room for a slip of the finger.

Folding is Unicode's compatibility decomposition (NFKD) with full case folding and without the marks that combine
(accents, Arabic and Hebrew points). Vowel signs that take a place of their own, as in Devanagari, are letters and stay;
scripts without case pass through. A few letters that Unicode leaves whole are written as travel papers write them.
"""

import unicodedata
from collections.abc import Sequence

SHORTEST_PREFIX = 3  # letters; a shorter word is only found whole
LONGEST_PREFIX = 8

_PLAIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
_APOSTROPHES = frozenset("'`´ʼʻʹ‘’‛＇")  # within a word: O'Brien is obrien


def fold(text: str) -> str:
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(each for each in folded if not unicodedata.combining(each)).translate(_PLAIN)


def words(text: str) -> list[str]:
    """Return the folded words, each once, in their order."""
    bare = "".join(each for each in text if each not in _APOSTROPHES and unicodedata.category(each) != "Cf")
    spaced = "".join(" " if unicodedata.category(each)[0] in "PSZC" else each for each in fold(bare))
    return list(dict.fromkeys(spaced.split()))


def prefixes(word: str) -> list[str]:
    """Return what the word is found by: its beginnings of 3 to 8 letters, or the whole of a shorter one."""
    if len(word) < SHORTEST_PREFIX:
        return [word]
    return [word[:length] for length in range(SHORTEST_PREFIX, min(len(word), LONGEST_PREFIX) + 1)]


def begins(said: str, name: str) -> bool:
    """Whether each word of `said` begins a word of `name`, or is one where it is too short to begin one."""
    known = words(name)
    return all(
        any(one == word or (len(word) >= SHORTEST_PREFIX and one.startswith(word)) for one in known)
        for word in words(said)
    )


def is_similar(one: str, other: str) -> bool:
    """Whether they are the same but for a slip or two, or one leaves out what the other has (a second name)."""
    here, there = words(one), words(other)
    if not here or not there:
        return False
    shorter, longer = sorted((here, there), key=len)
    if set(shorter) <= set(longer):
        return True
    a, b = "".join(here), "".join(there)
    allowed = 0 if min(len(a), len(b)) < 3 else 1 if min(len(a), len(b)) < 8 else 2
    return slips(a, b, allowed) <= allowed


def slips(one: str, other: str, most: int) -> int:
    """Count the letters left out, put in, put for another or changed round; `most + 1` stands for any more."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: Sequence[int] = []
    row: Sequence[int] = range(len(other) + 1)
    for i, letter in enumerate(one, 1):
        before, above, row = row, before, [i]
        assert isinstance(row, list)
        for j, theirs in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != theirs))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == theirs:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return min(row[-1], most + 1)
