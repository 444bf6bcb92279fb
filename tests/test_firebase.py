"""That the Auth emulator is what the tests that stand on it take it for."""

import msgspec

from medinova_rt import tokens
from tests.firebase import PROJECT, AuthEmulator, address


async def test_an_account_signs_in_with_a_second_factor(auth_emulator: AuthEmulator) -> None:
    email = address()
    uid = await auth_emulator.sign_up(email)
    before = tokens.segment(await auth_emulator.sign_in(email), 1)
    await auth_emulator.add_phone(email)
    after = tokens.segment(await auth_emulator.sign_in(email), 1)
    assert (before["sub"], before["aud"], before["email_verified"]) == (uid, PROJECT, True)
    assert "sign_in_second_factor" not in before["firebase"]
    assert after["firebase"]["sign_in_second_factor"] == "phone", msgspec.json.encode(after)
