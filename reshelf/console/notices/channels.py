"""Where notices go: a webhook, and mail.  Neither an error nor a log line says an address with its secrets."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from typing import Protocol

import aiohttp

from reshelf.console.notices.message import Notice, payload, subject, text
from reshelf.service_settings import NoticeSettings
from schemas.errors import ReshelfError


class Undelivered(ReshelfError):
    """A message did not arrive; it is tried again."""


class Channel(Protocol):
    """Somewhere to send to, by a name that metrics have."""

    name: str

    async def send(self, notices: Sequence[Notice]) -> None:
        """Deliver them together; raises `Undelivered`."""


def channels(settings: NoticeSettings) -> Iterator[Channel]:
    """Those that are set."""
    if settings.webhook.get_secret_value():
        yield Webhook(settings)
    if settings.recipients:
        yield Mail(settings)


class Webhook:
    """POST of JSON; redirects are not followed, as they would lead elsewhere with what is told."""

    name = "webhook"

    def __init__(self, settings: NoticeSettings) -> None:
        self._settings = settings

    async def send(self, notices: Sequence[Notice]) -> None:
        """Deliver them together; raises `Undelivered`."""
        settings = self._settings
        limit = aiohttp.ClientTimeout(total=settings.timeout_s)
        body = payload(notices, settings.console_url, settings.language)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.post(settings.webhook.get_secret_value(), json=body, allow_redirects=False) as response,
            ):
                status = response.status
        except TimeoutError:
            raise Undelivered(f"the webhook did not answer within {settings.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Undelivered(f"the webhook cannot be reached: {type(error).__name__}") from None
        if not 200 <= status < 300:
            raise Undelivered(f"the webhook answered {status}: expected 2xx")


class Mail:
    """A mail to all recipients through one SMTP server."""

    name = "mail"

    def __init__(self, settings: NoticeSettings) -> None:
        self._settings = settings

    async def send(self, notices: Sequence[Notice]) -> None:
        """Deliver them together; raises `Undelivered`."""
        settings = self._settings
        message = EmailMessage()
        message["Subject"] = subject(notices, settings.language)
        message["From"], message["To"] = settings.mail_from, ", ".join(settings.recipients)
        message.set_content(text(notices, settings.console_url, settings.language))
        try:
            await asyncio.to_thread(self._deliver, message)
        except smtplib.SMTPResponseException as error:
            raise Undelivered(f"the mail server answered {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise Undelivered(f"the mail could not be delivered: {type(error).__name__}") from None

    def _deliver(self, message: EmailMessage) -> None:
        settings, password = self._settings, self._settings.smtp_password.get_secret_value()
        where = settings.smtp_host, settings.smtp_port
        trusted = ssl.create_default_context()
        direct = settings.smtp_security == "tls"
        with (
            smtplib.SMTP_SSL(*where, timeout=settings.timeout_s, context=trusted)
            if direct
            else smtplib.SMTP(*where, timeout=settings.timeout_s)
        ) as server:
            if settings.smtp_security == "starttls":
                server.starttls(context=trusted)
            if settings.smtp_user:
                server.login(settings.smtp_user, password)
            server.send_message(message)
