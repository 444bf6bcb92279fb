import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from api import call
from api import forwarded as origin
from medinova_rt.config import load


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["203.0.113.1"], "192.0.2.7"),  # not from a proxy: anyone can write a header
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["198.51.100.9, 203.0.113.1"], "203.0.113.1"),  # what the client itself wrote does not count
        ("10.0.0.1", ["198.51.100.9", "203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["203.0.113.1, 10.0.0.2"], "203.0.113.1"),  # two proxies in a row
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("172.16.9.1", ["203.0.113.1, 172.16.0.3"], "203.0.113.1"),  # proxies by their network
        ("::ffff:10.0.0.1", ["203.0.113.1"], "203.0.113.1"),  # as a socket for both families says it
        ("2001:db8:1::7", ["2001:db8:2::9"], "2001:db8:2::9"),
        ("2001:db8:2::7", ["203.0.113.1"], "2001:db8:2::7"),
        ("10.0.0.1", ["203.0.113.1, unknown"], "unknown"),
        ("10.0.0.1", ["<script>"], "unknown"),
    ],
)
def test_whose_address_counts(remote: str, forwarded: list[str], address: str) -> None:
    app = web.Application()
    app[call.SETTINGS] = load({"MEDINOVA_PROXIES": "10.0.0.1,10.0.0.2,172.16.0.0/12,2001:db8:1::/48"})
    headers = CIMultiDict([("X-Forwarded-For", line) for line in forwarded])
    request = make_mocked_request("GET", "/", app=app).clone(remote=remote, headers=headers)
    assert origin.address(request) == address
