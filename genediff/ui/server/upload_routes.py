"""What the server answers to a browser that sends a large file in chunks, or takes one away.

    POST   /api/uploads              {"name", "size"}        201 {"id", "offset", "chunk"}
    HEAD   /api/uploads/ID                                   Upload-Offset, Upload-Length
    GET    /api/uploads/ID                                   {"name", "size", "offset", "checksums", "finished", …}
    PATCH  /api/uploads/ID           one chunk               204 Upload-Offset
    POST   /api/uploads/ID/finish    {"checksum"}            {"name"}
    DELETE /api/uploads/ID                                   204
    GET    /api/cells/RUN?token=…                            the file of a finished generation
    GET    /api/datasets/ID?token=…                          a data set as h5ad

A chunk comes with Upload-Offset and Upload-Checksum ("sha256" and a hexadecimal number). Every request carries the
page's token in a header of our own, which a form or script of another site cannot send; the token also says in which
workspace that page works, and the route reaches no other.
"""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from anyio import to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from genediff.core.disk_errors import DiskError, disk_errors
from genediff.core.errors import InputError
from genediff.core.json_files import parse
from genediff.data.uploads import incoming
from genediff.data.uploads.incoming import CHUNK, Refused
from genediff.generation.write_h5ad import write_dataset
from genediff.runs import find_run
from genediff.ui.server.upload_tokens import CELLS, DATASETS, TOKENS
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Answer = Callable[[Request], Awaitable[Response]]

TOKEN = "X-GeneDiff-Token"
UPLOADS = "/api/uploads"
_BLOCK = 1 << 20
_SMALL = 64 * 1024


def routes() -> list[Route]:
    """Return the routes, also below a path that the server is set up for (`server.baseUrlPath`)."""
    one = UPLOADS + "/{upload_id}"
    own = [
        (UPLOADS, _answers(_begin), ["POST"]),
        (one, _answers(_tell), ["GET", "HEAD"]),
        (one, _answers(_take), ["PATCH"]),
        (one, _answers(_discard), ["DELETE"]),
        (one + "/finish", _answers(_finish), ["POST"]),
        (CELLS + "/{id}", _gives(_cells), ["GET"]),
        (DATASETS + "/{id}", _gives(_dataset), ["GET"]),
    ]
    bases = ("", "/{base:path}")
    return [Route(base + path, handler, methods=methods) for base in bases for path, handler, methods in own]


def _answers(handler: Answer) -> Answer:
    """Let a handler answer pages of this server only, and answer in one sentence where it refuses."""

    @functools.wraps(handler)
    async def answer(request: Request) -> Response:
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return _problem(403, "Files are sent from pages of this server only.")
        root = TOKENS.root(request.headers.get(TOKEN))
        if root is None:
            return _problem(401, "This page's session has ended; reload the page, and the upload goes on.")
        request.state.uploads = Workspace(root).uploads
        try:
            with disk_errors():
                return await handler(request)
        except Refused as refusal:
            return _problem(refusal.status, str(refusal), offset=refusal.offset)
        except DiskError as problem:
            return _problem(507, str(problem))
        except InputError as problem:
            return _problem(422, str(problem))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it; the chunk does not count

    return answer


async def _begin(request: Request) -> Response:
    asked = await _json(request)
    name, size = asked.get("name"), asked.get("size")
    if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool):
        raise Refused(422, "Say the name of the file and its size in bytes.")
    made = await to_thread.run_sync(incoming.begin, request.state.uploads, name, size)
    return JSONResponse({"id": made.id, "offset": 0, "chunk": CHUNK}, status_code=201)


async def _tell(request: Request) -> Response:
    one = _find(request)
    headers = {"Upload-Offset": str(one.offset), "Upload-Length": str(one.size), "Cache-Control": "no-store"}
    if request.method == "HEAD":
        return Response(headers=headers)
    facts = {"name": one.name, "size": one.size, "offset": one.offset, "chunk": CHUNK, "checksums": one.checksums}
    return JSONResponse({**facts, "finished": one.finished}, headers=headers)


async def _take(request: Request) -> Response:
    one = _find(request)
    try:
        offset = int(request.headers.get("Upload-Offset", ""))
    except ValueError:
        raise Refused(400, "Say in Upload-Offset where the chunk begins.") from None
    kind, _, checksum = request.headers.get("Upload-Checksum", "").partition(" ")
    if kind != "sha256" or not checksum.isascii():
        raise Refused(400, "Give the SHA-256 of the chunk in Upload-Checksum.")
    content = await _body(request, CHUNK)
    there = await to_thread.run_sync(one.append, offset, content, checksum)
    return Response(status_code=204, headers={"Upload-Offset": str(there)})


async def _finish(request: Request) -> Response:
    one = _find(request)
    checksum = (await _json(request)).get("checksum")
    if not isinstance(checksum, str) or not checksum.isascii():
        raise Refused(400, "Give the checksum over the checksums of all chunks.")
    return JSONResponse({"name": await to_thread.run_sync(one.finish, checksum)})


async def _discard(request: Request) -> Response:
    await to_thread.run_sync(_find(request).discard)
    return Response(status_code=204)


def _gives(handler: Callable[[Workspace, str], Awaitable[Response]]) -> Answer:
    """Let a handler send a file of the workspace whose token is in the link; what is not there is one sentence."""

    async def answer(request: Request) -> Response:
        root = TOKENS.root(request.query_params.get("token"))
        if root is None:
            return _problem(401, "This link has expired; open the page again and take the file from there.")
        try:
            with disk_errors():
                return await handler(Workspace(root), request.path_params["id"])
        except DiskError as problem:
            return _problem(507, str(problem))
        except InputError as problem:
            return _problem(404, str(problem))

    return answer


async def _cells(workspace: Workspace, run_id: str) -> Response:
    """Send the file of a finished generation from disk, as a download."""
    run = find_run(workspace, run_id)
    made = run.folder / "cells.h5ad"  # never a path that the run names: one of the user's own may lie anywhere
    if run.kind != "generate" or run.status.state != "finished" or not made.is_file():
        raise InputError(f"The run {run.id} has no file to take away.")
    headers = {"Content-Encoding": "identity"}  # it is packed already; packing it again would cost a core
    return FileResponse(made, filename=f"{run.id}.h5ad", media_type="application/x-hdf5", headers=headers)


async def _dataset(workspace: Workspace, dataset_id: str) -> Response:
    """Write a data set as h5ad, a block of cells at a time, and send it from disk."""
    file = await to_thread.run_sync(_written, workspace, dataset_id)
    headers = {
        "Content-Encoding": "identity",  # as above
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        "Content-Disposition": f'attachment; filename="{dataset_id}.h5ad"',
    }
    return StreamingResponse(_blocks(file), media_type="application/x-hdf5", headers=headers)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from iter(functools.partial(file.read, _BLOCK), b"")


def _written(workspace: Workspace, dataset_id: str) -> BinaryIO:
    """Return the open file; it has no name any more, so that nothing is left of it once it is closed."""
    dataset = workspace.open_dataset(dataset_id)
    with tempfile.TemporaryDirectory(dir=workspace.root) as folder:
        path = Path(folder) / "cells.h5ad"
        write_dataset(path, dataset)
        return path.open("rb")


def _find(request: Request) -> incoming.Incoming:
    return incoming.find(request.state.uploads, request.path_params["upload_id"])


async def _json(request: Request) -> dict[str, Any]:
    text = await _body(request, _SMALL)
    try:
        content = parse(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Refused(400, "The request holds no JSON object.")
    return content


async def _body(request: Request, most: int) -> bytearray:
    """Read a body into memory, and no more of it than may come."""
    content = bytearray()
    async for block in request.stream():
        content += block
        if len(content) > most:
            raise Refused(413, f"A request may bring {most:,} bytes.")
    return content


def _problem(status: int, sentence: str, *, offset: int | None = None) -> Response:
    headers = {} if offset is None else {"Upload-Offset": str(offset)}
    return JSONResponse({"problem": sentence}, status_code=status, headers=headers)
