"""The routes: the page, the detector's card, its health, and `POST /score`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from fsd_model.detector.detector import Detector
from fsd_model.serving.answer import answer
from fsd_model.serving.gate import Gate
from fsd_model.serving.limits import Limits
from fsd_model.serving.refusal import RefusalError
from fsd_model.serving.upload import Upload

_PAGE = {
    "/": ("serve.html", "text/html"),
    "/serve.js": ("serve.js", "text/javascript"),
    "/serve.css": ("serve.css", "text/css"),
}


def build_app(detector: Detector, limits: Limits, pool: Executor) -> FastAPI:
    """Build the application, without its guard.

    Args:
        detector: the detector.
        limits: limits of requests.
        pool: `limits.jobs` threads that compute.
    """
    app = FastAPI(
        docs_url=None, redoc_url=None, openapi_url=None
    )  # those pages load scripts from other hosts
    digest = detector.digest()
    gate = Gate(limits.jobs + limits.receiving, limits.waiting, limits.patience_s)

    @app.post("/score")
    async def score(request: Request, spectrogram: bool = False) -> JSONResponse:
        upload = Upload(request, limits)
        try:
            async with gate.passed():
                work = partial(answer, detector, digest, await upload.file(), limits, spectrogram)
                return JSONResponse(await asyncio.get_running_loop().run_in_executor(pool, work))
        except RefusalError:
            await upload.discard()
            raise

    @app.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok", "detector": digest, "limits": limits.public()})

    @app.get("/card")
    async def card() -> JSONResponse:
        # without the path of the corpus on this machine
        text = detector.card.model_dump_json(exclude={"data": {"root"}, "left_out": True})
        return JSONResponse({**json.loads(text), "digest": digest})

    for path, (name, kind) in _PAGE.items():
        app.get(path)(_file(name, kind))
    _errors_as_json(app)
    return app


def _file(name: str, kind: str) -> Callable[[], Any]:
    content = (files("fsd_model.serving") / "pages" / name).read_bytes()

    async def page() -> Response:
        return Response(content, media_type=kind)

    return page


def _errors_as_json(app: FastAPI) -> None:
    @app.exception_handler(RefusalError)
    async def refused(_: Request, error: RefusalError) -> JSONResponse:
        return JSONResponse({"error": error.message}, error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> JSONResponse:
        routes = "GET /, GET /health, GET /card, POST /score"
        message = f"{request.method} here: {str(error.detail).lower()}; there is {routes}"
        return JSONResponse({"error": message}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def bad_query(_: Request, __: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": "spectrogram: must be true or false; or leave it out"}, 400)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": f"unexpected {type(error).__name__}; see the server's output"}, 500)
