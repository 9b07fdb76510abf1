"""Polypost: one mail and contact service behind several published HTTP APIs.

A request flows straight down and back: function → dialect → use case → adapter → dialect. No import climbs.
"""
