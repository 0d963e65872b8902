"""The routes for large files, asked as a browser asks them, and as one that means no good."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from genediff.data.uploads import incoming
from genediff.data.uploads.incoming import CHUNK
from genediff.ui.server import upload_routes
from genediff.ui.server.upload_routes import TOKEN, UPLOADS
from genediff.ui.server.upload_tokens import CELLS, DATASETS, TOKENS, Tokens
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from httpx2 import Response

WHOLE = np.random.default_rng(0).bytes(CHUNK + 1234)


@pytest.fixture
def client(own_workspace: Path) -> TestClient:
    """A browser with a page's token."""
    return TestClient(Starlette(routes=upload_routes.routes()), headers={TOKEN: TOKENS.issue(Workspace().root)})


def begin(client: TestClient, name: str = "cells.h5ad", size: int = len(WHOLE)) -> str:
    answer = client.post(UPLOADS, json={"name": name, "size": size})
    assert answer.status_code == 201 and answer.json()["chunk"] == CHUNK, answer.text
    return f"{UPLOADS}/{answer.json()['id']}"


def patch(client: TestClient, address: str, place: int, part: bytes, **headers: str) -> Response:
    sum_ = hashlib.sha256(part).hexdigest()
    told = {"Upload-Offset": str(place), "Upload-Checksum": f"sha256 {sum_}", **headers}
    return client.patch(address, content=part, headers=told)


def test_a_file_is_sent_asked_for_and_finished(client):
    address = begin(client)
    assert patch(client, address, 0, WHOLE[:CHUNK]).headers["Upload-Offset"] == str(CHUNK)
    asked = client.head(address)
    assert (asked.headers["Upload-Offset"], asked.headers["Upload-Length"]) == (str(CHUNK), str(len(WHOLE)))
    again = patch(client, address, 0, WHOLE[:CHUNK])
    assert again.status_code == 409 and again.headers["Upload-Offset"] == str(CHUNK)
    assert patch(client, address, CHUNK, WHOLE[CHUNK:]).status_code == 204
    sums = client.get(address).json()["checksums"]
    assert sums == [hashlib.sha256(part).hexdigest() for part in (WHOLE[:CHUNK], WHOLE[CHUNK:])]
    whole = hashlib.sha256(bytes.fromhex("".join(sums))).hexdigest()
    for _ in range(2):  # the first answer may be lost
        assert client.post(f"{address}/finish", json={"checksum": whole}).json() == {"name": "cells.h5ad"}
    assert (Workspace().uploads / "cells.h5ad").read_bytes() == WHOLE


def test_below_a_path_of_the_server_the_routes_are_the_same(client):
    answer = client.post(f"/genediff/app{UPLOADS}", json={"name": "cells.h5ad", "size": 5})
    assert answer.status_code == 201


@pytest.mark.parametrize("token", [None, "", "x" * 43, "wrong"])
def test_without_a_page_of_ours_nothing_is_answered(client, token):
    address = begin(client)
    stranger = TestClient(client.app, headers={} if token is None else {TOKEN: token})
    before = sorted(Workspace().uploads.rglob("*"))
    for answer in (
        stranger.post(UPLOADS, json={"name": "a.h5ad", "size": 1}), stranger.get(address), stranger.head(address),
        patch(stranger, address, 0, WHOLE[:CHUNK]), stranger.delete(address),
        stranger.post(f"{address}/finish", json={"checksum": ""}), stranger.get(f"{CELLS}/any?token={token or ''}"),
    ):  # fmt: skip
        assert answer.status_code == 401
    assert sorted(Workspace().uploads.rglob("*")) == before


def test_another_site_is_refused_even_with_a_token(client):
    """A browser says where a request comes from; and it would have to ask us first, which is never allowed."""
    for site in ("cross-site", "same-site"):
        answer = client.post(UPLOADS, json={"name": "a.h5ad", "size": 1}, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
    asked = client.options(UPLOADS, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"})
    assert "Access-Control-Allow-Origin" not in asked.headers and asked.status_code == 405


def test_tokens_are_forgotten_when_nobody_uses_them(monkeypatch, tmp_path):
    now = [0.0]
    monkeypatch.setattr("genediff.ui.server.upload_tokens.time.monotonic", lambda: now[0])
    tokens = Tokens()
    used, idle = tokens.issue(tmp_path), tokens.issue(tmp_path)
    assert used != idle and len(used) >= 43
    for hour in range(1, 14):
        now[0] = 3600.0 * hour
        assert tokens.root(used) == tmp_path
    assert tokens.root(idle) is None and tokens.root(None) is None


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"name": "../a.h5ad", "size": 1}, 422), ({"name": "a.exe", "size": 1}, 422),
        ({"name": "a.h5ad", "size": 0}, 422),
        ({"name": "a.h5ad", "size": "1"}, 422), ({"name": "a.h5ad", "size": True}, 422), ({"name": 3, "size": 1}, 422),
        ({"name": "a.h5ad"}, 422), ([], 400), ({"name": "a.h5ad", "size": 10**15}, 413),
    ],
)  # fmt: skip
def test_bad_beginnings_are_one_sentence(client, asked, status):
    answer = client.post(UPLOADS, json=asked)
    assert answer.status_code == status
    assert answer.json()["problem"].endswith(".") and "Traceback" not in answer.text


def test_bad_chunks_are_one_sentence(client):
    address = begin(client)
    part = WHOLE[:CHUNK]
    for answer, status in (
        (patch(client, address, 0, part, **{"Upload-Offset": "x"}), 400),
        (patch(client, address, 0, part, **{"Upload-Checksum": "md5 00"}), 400),
        (patch(client, address, 0, part, **{"Upload-Checksum": "sha256 " + "0" * 64}), 460),
        (patch(client, address, 0, part + b"x"), 413),
        (patch(client, address, 0, part[:-1]), 400),
        (patch(client, f"{UPLOADS}/{'a' * 32}", 0, part), 404),
        (client.post(f"{address}/finish", content=b"{"), 400),
        (client.post(f"{address}/finish", content=b"x" * 100_000), 413),
    ):
        assert answer.status_code == status and json.loads(answer.text)["problem"].endswith("."), answer.text
    assert client.get(f"{UPLOADS}/..%2F..%2Fruns").status_code == 404
    assert client.head(address).headers["Upload-Offset"] == "0"
    assert client.delete(address).status_code == 204
    assert client.head(address).status_code == 404


def test_the_file_of_a_generation_is_taken_away_in_parts_too(client, monkeypatch):
    run = Workspace().runs / "20260101-000000-abcd"
    run.mkdir()
    status = {"state": "finished", "pid": None}
    for name, text in (("run.json", {"kind": "generate", "config": {}}), ("status.json", status)):
        (run / name).write_text(json.dumps(text))
    token = client.headers[TOKEN]
    assert client.get(f"{CELLS}/{run.name}?token={token}").status_code == 404
    (run / "cells.h5ad").write_bytes(WHOLE)
    whole = client.get(f"{CELLS}/{run.name}?token={token}")
    assert whole.content == WHOLE and "attachment" in whole.headers["Content-Disposition"]
    part = client.get(f"{CELLS}/{run.name}?token={token}", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == WHOLE[10:20]
    (run / "run.json").write_text(json.dumps({"kind": "train", "config": {}}))
    for other in (run.name, "..", "nothing"):
        assert client.get(f"{CELLS}/{other}?token={token}").status_code == 404


def test_a_data_set_comes_from_disk_and_leaves_nothing_there(client: TestClient, tmp_path: Path) -> None:
    token = client.headers[TOKEN]
    answer = client.get(f"{DATASETS}/pbmc3k?token={token}")
    assert 'filename="pbmc3k.h5ad"' in answer.headers["Content-Disposition"]
    (tmp_path / "cells.h5ad").write_bytes(answer.content)
    cells, dataset = anndata.read_h5ad(tmp_path / "cells.h5ad"), Workspace().open_dataset("pbmc3k")
    assert tuple(cells.var_names) == dataset.genes and list(cells.obs_names) == list(dataset.obs.index)
    assert not list(Workspace().root.rglob("cells.h5ad")) and not list(Workspace().root.glob("tmp*"))
    assert client.get(f"{DATASETS}/nothing?token={token}").status_code == 404
    assert client.get(f"{DATASETS}/pbmc3k?token=none").status_code == 401


def test_an_upload_in_progress_survives_a_new_quota(client, monkeypatch):
    address = begin(client)
    monkeypatch.setattr(incoming, "QUOTA_GB", 0.0)
    assert patch(client, address, 0, WHOLE[:CHUNK]).status_code == 204
