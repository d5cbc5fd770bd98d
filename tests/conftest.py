"""What all tests share: the `--bless` option of the golden files, and hypothesis' settings."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# programs are drawn in many small steps, and two busy cores make any deadline flaky
settings.register_profile(
    "jitgrad",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("jitgrad")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the golden files' expectations")


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--bless"))
