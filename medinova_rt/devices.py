"""What a browser is called in the list of one's sessions, from its User-Agent: `Firefox on Windows`.

Nothing else of that header is kept: all of it would tell one browser from most others.
"""

import re

UNKNOWN = "unknown device"

# the first that fits; browsers name those they descend from as well
_BROWSERS = (
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/")),
    ("Opera", re.compile(r"\bOPR/|\bOpera\b")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/")),
    ("Chrome", re.compile(r"\b(?:HeadlessChrome|Chrome|CriOS)/")),
    ("Safari", re.compile(r"\bSafari/")),
)
_SYSTEMS = (
    ("iPhone", re.compile(r"\biPhone\b")),
    ("iPad", re.compile(r"\biPad\b")),
    ("Android", re.compile(r"\bAndroid\b")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("Windows", re.compile(r"\bWindows\b")),
    ("macOS", re.compile(r"\bMacintosh\b")),
    ("Linux", re.compile(r"\bLinux\b")),
)
_READ = 512  # characters of the header


def label(user_agent: str | None) -> str:
    said = (user_agent or "")[:_READ]
    browser = next((name for name, pattern in _BROWSERS if pattern.search(said)), None)
    system = next((name for name, pattern in _SYSTEMS if pattern.search(said)), None)
    if browser is None:
        return system or UNKNOWN
    return f"{browser} on {system}" if system else browser
