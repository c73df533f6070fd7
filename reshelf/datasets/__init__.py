"""Imports of logged data sets."""
