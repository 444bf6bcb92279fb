"""Telephone numbers in their one form, E.164 (`+34600123456`), by the numbering plans that Google keeps."""

import phonenumbers

from medinova_rt.errors import BadInput

MAX_PHONE = 40  # characters as typed


def normal_phone(text: str) -> str:
    """Return the number as E.164 writes it; raises BadInput.

    It must begin with + and its country's code: a clinic's patients may live anywhere, so no country is guessed.
    """
    try:
        if len(text) > MAX_PHONE or not text.strip().startswith("+"):
            raise ValueError
        number = phonenumbers.parse(text)
        if number.extension or not phonenumbers.is_possible_number(number):
            raise ValueError
    except (ValueError, phonenumbers.NumberParseException):
        raise BadInput(
            "a phone number is written with + and its country's code, like +34 600 123 456", "/phone"
        ) from None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
