import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from medinova_rt.operations.certificate import LIFETIME, self_signed

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def test_it_names_localhost_and_every_address(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, ["192.0.2.1", "2001:db8::1"], NOW)
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1", "2001:db8::1"]
    assert made.not_valid_after_utc == NOW + LIFETIME
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)


@pytest.mark.parametrize(
    ("addresses", "later", "kept"),
    [
        (["192.0.2.1", "192.0.2.2"], timedelta(days=1), True),
        (["192.0.2.1"], timedelta(days=1), True),  # a phone's exception should last when an address goes
        (["192.0.2.1", "192.0.2.3"], timedelta(days=1), False),
        (["192.0.2.1"], LIFETIME - timedelta(days=29), False),
    ],
)
def test_it_is_kept_while_it_serves(tmp_path: Path, addresses: list[str], later: timedelta, kept: bool) -> None:
    certificate, _ = self_signed(tmp_path, ["192.0.2.1", "192.0.2.2"], NOW)
    before = certificate.read_bytes()
    self_signed(tmp_path, addresses, NOW + later)
    assert (certificate.read_bytes() == before) is kept


def test_a_broken_one_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "certificate.pem").write_text("no certificate")
    certificate, key = self_signed(tmp_path, ["192.0.2.1"], NOW)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
