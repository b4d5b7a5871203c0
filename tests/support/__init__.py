"""Servers, mail programs and people that tests use."""
