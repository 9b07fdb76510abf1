"""Hypothesis takes the time that it needs."""

from hypothesis import HealthCheck, settings

# On a busy machine neither an example nor the search for one is to fail by the clock.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
