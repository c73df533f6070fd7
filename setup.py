"""All about the package is in pyproject.toml; with RESHELF_PURE=1 it is built without its compiled parts."""

from __future__ import annotations

import os
from typing import Any

from setuptools import Distribution, setup


class _Pure(Distribution):
    def parse_config_files(self, *arguments: Any, **options: Any) -> None:
        super().parse_config_files(*arguments, **options)
        self.ext_modules = []


setup(distclass=_Pure if os.environ.get("RESHELF_PURE", "") not in ("", "0") else Distribution)
