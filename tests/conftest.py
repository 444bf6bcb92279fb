"""What every test shares: no vendor's library may look for a cloud, and Hypothesis searches at one of three depths."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.firebase import auth_emulator as auth_emulator  # a fixture for all

# Set before any vendor's library is imported, so that none probes a cloud's metadata address.
os.environ.update(
    METADATA_HOST="127.0.0.1:1",
    GCE_METADATA_HOST="127.0.0.1:1",
    NO_GCE_CHECK="true",
    AWS_EC2_METADATA_DISABLED="true",
)
for name in [name for name in os.environ if name.startswith("MEDINOVA_")]:
    del os.environ[name]  # a developer's own settings must not decide what the tests see

# No deadline: the machine may be busy. Derandomized, `make test` is the same from run to run; `make long` searches on.
settings.register_profile("test", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("test")

from tests.firestore import emulator, own_emulator  # noqa: E402  # after what it needs set

__all__ = ["emulator", "own_emulator"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store", choices=["sqlite", "firestore"], default="sqlite", help="what the servers of e2e are on"
    )
