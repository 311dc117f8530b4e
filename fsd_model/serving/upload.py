"""The body of a request as a file on disk: raw, or the first file of a form; within the limit."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from typing import IO, cast

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from fsd_model.serving.limits import Limits
from fsd_model.serving.refusal import RefusalError

_FORM_BYTES = 65_536  # of the form around the file
_DISCARDED = 4  # times the limit
_DISCARD_S = 10.0


class Upload:
    """The body of one request, counted as it arrives: a Content-Length may be missing or wrong.

    Args:
        request: request with an unread body.
        limits: limits of size and duration.
    """

    def __init__(self, request: Request, limits: Limits) -> None:
        self._request, self._limits = request, limits
        self._received, self._ended = 0, False

    async def file(self) -> IO[bytes]:
        """Write the audio to a nameless file, which whoever gets it closes.

        Raises:
            RefusalError: 400 empty or no file in the form, 408 too slow, 413 too large.
            ClientDisconnect: the client is gone.
        """
        if int(self._request.headers.get("content-length") or 0) > self._limits.max_bytes + _FORM_BYTES:
            raise self._limits.too_large()
        request = Request(self._request.scope, self._receive)
        form = request.headers.get("content-type", "").startswith("multipart/form-data")
        try:
            async with asyncio.timeout(self._limits.patience_s):
                file = await (_from_form(request) if form else _from_body(request))
        except TimeoutError:
            late = f"the upload took more than {self._limits.patience_s:g} s; send it again"
            raise RefusalError(408, late) from None
        size = file.seek(0, 2)
        if 0 < size <= self._limits.max_bytes:
            return file
        file.close()
        nothing = "the request contains no audio: 0 bytes; send the bytes of a FLAC, WAV or OGG file"
        raise self._limits.too_large() if size else RefusalError(400, nothing)

    async def discard(self) -> None:
        """Read and discard the rest of the body, within bounds.

        A connection closed on a client that is still sending is reset, and the answer is lost. One that asked
        whether to send at all gets its answer instead.
        """
        if not self._received and "expect" in self._request.headers:
            return
        try:
            async with asyncio.timeout(_DISCARD_S):
                while not self._ended and self._received < _DISCARDED * self._limits.max_bytes:
                    await self._next()
        except TimeoutError:
            return

    async def _next(self) -> Message:
        message = await self._request.receive()
        self._received += len(message.get("body", b""))
        self._ended = message["type"] != "http.request" or not message.get("more_body")
        return message

    async def _receive(self) -> Message:
        message = await self._next()
        if self._received > self._limits.max_bytes + _FORM_BYTES:
            raise self._limits.too_large()
        return message


async def _from_body(request: Request) -> IO[bytes]:
    with ExitStack() as held:
        file = held.enter_context(tempfile.TemporaryFile())
        async for chunk in request.stream():
            file.write(chunk)
        held.pop_all()
        return file


async def _from_form(request: Request) -> IO[bytes]:
    try:
        form = await request.form(max_files=1, max_fields=8)
    except HTTPException as error:
        raise RefusalError(400, f"the form is broken ({error.detail}); send one file") from error
    for part in form.values():
        if isinstance(part, UploadFile):
            spooled = cast(tempfile.SpooledTemporaryFile[bytes], part.file)
            spooled.rollover()  # a decoder needs a real file
            return spooled
    raise RefusalError(400, "the form contains no file; send one, as `curl -F file=@audio.flac`")
