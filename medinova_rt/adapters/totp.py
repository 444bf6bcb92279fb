"""Codes of authenticator apps (RFC 6238: SHA-1, 6 digits, 30 s), of which each is taken once."""

import hmac
from datetime import datetime

import pyotp

STEP_S = 30
DRIFT = 1  # steps that the app's clock may be off, either way
ISSUER = "MediNova"


def new_secret() -> str:
    """160 bits, base 32."""
    return pyotp.random_base32()


def uri(secret: str, email: str) -> str:
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def step_of(secret: str, code: str, last_step: int, now: datetime) -> int | None:
    """Return the step whose code it is: one near to now and after `last_step`; None if there is none such."""
    said = "".join(code.split())
    if len(said) != 6 or not (said.isascii() and said.isdigit()):
        return None
    present = int(now.timestamp()) // STEP_S
    app, found = pyotp.TOTP(secret), None
    for step in range(present - DRIFT, present + DRIFT + 1):  # all of them, whichever fits
        if hmac.compare_digest(app.generate_otp(step), said) and step > last_step and found is None:
            found = step
    return found
