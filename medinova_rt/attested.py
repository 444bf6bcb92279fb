"""What the server vouches for to whoever holds it later: a statement, signed with a key that is not in the store.

The signature is over the statement's bytes just as they are handed out, so that no two programs need to agree on how
JSON is written.
"""

import msgspec
from msgspec import Struct

from medinova_rt.phi import Open
from medinova_rt.signing import SigningKey, VerifyingKey


class Attested(Struct, frozen=True, kw_only=True):
    statement: Open[str]  # JSON
    key: Open[str]  # which one has signed
    signature: Open[str]  # Ed25519 over the statement's UTF-8, in hexadecimal


def attest(key: SigningKey, statement: Struct) -> Attested:
    text = msgspec.json.encode(statement, order="deterministic").decode()
    return Attested(statement=text, key=key.id, signature=key.sign(text.encode()))


def holds(key: VerifyingKey, attested: Attested) -> bool:
    return attested.key == key.id and key.verifies(attested.statement.encode(), attested.signature)
