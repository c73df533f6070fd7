"""The front door: command line, settings, embedded servers, the demonstration shop.

Everything that a person starts is here; what it does is in `streams` and `policy`.
"""
