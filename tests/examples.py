"""The number of examples of a property test: a few in the quick run, all in the thorough one."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_CHECKS = [HealthCheck.too_slow]

THOROUGH = 100
"""Examples of a property test that does not say how many it needs."""

QUICK = 20

MARK = "property"
"""The marker of property tests; a run that selects it is thorough."""

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("thorough", deadline=None, suppress_health_check=_CHECKS, max_examples=THOROUGH)
settings.register_profile("quick", deadline=None, suppress_health_check=_CHECKS, max_examples=QUICK)


def examples(count: int) -> settings:
    """Return the settings of a test that needs so many examples in the thorough run."""
    return settings(max_examples=count * settings().max_examples // THOROUGH)
