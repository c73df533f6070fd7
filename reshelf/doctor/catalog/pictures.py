"""Whether the pictures that items name may be had by these settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from encoders.pictures.address import target
from encoders.pictures.refusal import Refused
from encoders.pictures.source import SCHEMES
from reshelf.doctor.finding import Finding
from reshelf.numbers import number
from reshelf.service_settings import PicturesSettings
from schemas.messages.catalog import CatalogItem

SHOWN = 3


def picture_findings(items: Mapping[str, CatalogItem], settings: PicturesSettings) -> Iterator[Finding]:
    """Pictures that are not looked at, by what is in their way; nothing where items name none, or all may be had.

    Nothing is fetched for it: what servers refuse is counted by the encoder.
    """
    images = [item.image for item in items.values() if item.image]
    if images and not settings.wanted:
        remedy = "Set pictures.hosts, or pictures.folder, for the encoder (docs/operating/encoders.md)."
        yield Finding("pictures", "note", f"{number(len(images))} items name a picture, and none is looked at", remedy)
        return
    refused = Counter(filter(None, (_obstacle(image, settings) for image in images)))
    for obstacle, count in refused.most_common(SHOWN):
        remedy = "Set pictures.hosts or pictures.folder, or correct `image` in the catalog."
        yield Finding("pictures", "note", f"{number(count)} items go on with their text alone: {obstacle}", remedy)


def _obstacle(image: str, settings: PicturesSettings) -> str:
    """Why a picture is not looked at, in words that many pictures have in common; empty where it is."""
    if not image.startswith(SCHEMES):
        return "" if settings.folder else "their picture is a path, and pictures.folder is empty"
    try:
        target(image, settings.allowed_hosts)
    except Refused as error:
        return error.detail
    return ""
