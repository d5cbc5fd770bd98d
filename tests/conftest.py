"""What all tests share: `--bless` (golden files), `--long` (full runs), hypothesis' settings."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# programs are drawn in many small steps, and two busy cores make any deadline flaky
_COMMON = settings(deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("jitgrad", _COMMON, max_examples=60)
settings.register_profile("long", _COMMON, max_examples=3000)
settings.load_profile("jitgrad")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the golden files' expectations")
    parser.addoption(
        "--long", action="store_true",
        help="thousands of random programs instead of a sample, and the tests marked `long`",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    # before any test module is imported: `settings` take what they leave open from here
    settings.load_profile("long" if config.getoption("--long") else "jitgrad")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = [i for i in items if i.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [i for i in items if not i.get_closest_marker("long")]


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--bless"))
