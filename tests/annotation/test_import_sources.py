"""Files for import from folders, URLs and the hub, and attacks on each."""

import gzip
import json
import os
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from annotation.instances.sources import Given, below, hub, parse_source
from annotation.instances.sources.fetching import NotFetched, TooSlow, Wish, fetch
from annotation.instances.sources.given import collect, gathered, glance
from annotation.instances.sources.keeping import growing
from core.exceptions import ApplicationError, InvalidInput, NotFound
from tests.annotation.file_server import FileServer, send, serving

LINE = b'{"id": "q1", "prompt": "p", "responses": [{"text": "a"}, {"text": "b"}]}\n'


@pytest.fixture(autouse=True)
def _var(tmp_path: Path, settings: Settings) -> None:
    settings.VAR_DIR = tmp_path / "var"
    settings.IMPORT_PRIVATE_HOSTS = ["127.0.0.1"]


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running


def kept(tmp_path: Path) -> list[str]:
    folder = tmp_path / "var" / "uploads"
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def fetched(url: str, **options: Any) -> Given:
    (given,) = collect(parse_source({"kind": "url", "url": url}), stem="s", **options)
    return given


def glanced(url: str) -> Given | None:
    return glance({"source": {"kind": "url", "url": url}, "stem": "s", "name": "a"})


# Folders of the operator


@pytest.fixture
def root(tmp_path: Path, settings: Settings) -> Path:
    folder = tmp_path / "corpora"
    (folder / "helpful").mkdir(parents=True)
    (folder / "helpful" / "train.jsonl").write_bytes(LINE)
    (folder / "notes.txt").write_text("no data")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "a.jsonl").write_bytes(LINE)
    (folder / ".env.json").write_text("{}")
    (tmp_path / "secret.jsonl").write_bytes(b"secret\n")
    (tmp_path / "corpora-2").mkdir()
    (tmp_path / "corpora-2" / "b.jsonl").write_bytes(LINE)
    settings.IMPORT_ROOTS = [folder]
    return folder


def below_root(path: str) -> Given:
    (given,) = collect(parse_source({"kind": "path", "path": path}), stem="s")
    return given


def test_a_file_below_a_root_is_read_where_it_lies(root: Path, tmp_path: Path) -> None:
    expected = Given(root / "helpful" / "train.jsonl", "train.jsonl")
    assert below_root("corpora/helpful/train.jsonl") == expected
    assert below_root(str(root / "helpful" / "train.jsonl")) == expected
    assert kept(tmp_path) == []


def test_a_link_is_judged_by_where_it_ends(root: Path, tmp_path: Path) -> None:
    (root / "inside.jsonl").symlink_to(root / "helpful" / "train.jsonl")
    (root / "outside.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (root / "to_hidden.jsonl").symlink_to(root / ".hidden" / "a.jsonl")
    (root / "up").symlink_to(tmp_path)
    (root / "loop.jsonl").symlink_to(root / "loop.jsonl")
    assert below_root("corpora/inside.jsonl").path == root / "helpful" / "train.jsonl"
    for path in ("outside.jsonl", "up/secret.jsonl", "to_hidden.jsonl", "loop.jsonl"):
        with pytest.raises(NotFound, match="no such file"):
            below_root(f"corpora/{path}")
    names = [each.name for each in below.listing("corpora").files]
    assert names == ["inside.jsonl"]


@pytest.mark.parametrize(
    "path",
    [
        "corpora/../secret.jsonl",
        "corpora/helpful/../../secret.jsonl",
        "corpora/./../corpora-2/b.jsonl",
        "corpora-2/b.jsonl",
        "../secret.jsonl",
        "/etc/passwd",
        "~/secret.jsonl",
        "corpora/.hidden/a.jsonl",
        "corpora/.env.json",
        "corpora/helpful",
        "corpora",
        "corpora//etc/passwd",
        "corpora/helpful/train.jsonl/",
        "corpora/" + "x" * 5000,
        "unknown/train.jsonl",
    ],
)
def test_nothing_outside_of_a_root_is_read(root: Path, tmp_path: Path, path: str) -> None:
    if path.endswith("train.jsonl/"):
        assert below_root(path).path == root / "helpful" / "train.jsonl"
        return
    with pytest.raises(NotFound):
        below_root(path)


def test_a_neighbour_with_the_same_beginning_is_outside(root: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        below_root(str(tmp_path / "corpora-2" / "b.jsonl"))


def test_a_pipe_is_no_file(root: Path) -> None:
    os.mkfifo(root / "pipe.jsonl")
    with pytest.raises(NotFound):
        below_root("corpora/pipe.jsonl")
    assert "pipe.jsonl" not in [each.name for each in below.listing("corpora").files]


def test_a_listing_shows_what_can_be_imported(root: Path) -> None:
    assert [each.path for each in below.listing().folders] == ["corpora"]
    top = below.listing("corpora")
    assert [(each.name, each.path) for each in top.folders] == [("helpful", "corpora/helpful")]
    assert top.files == []
    inner = below.listing("corpora/helpful")
    assert [(each.path, each.size) for each in inner.files] == [
        ("corpora/helpful/train.jsonl", len(LINE))
    ]
    assert inner.parts == [("corpora", "corpora"), ("helpful", "corpora/helpful")]
    for path in ("corpora/.hidden", "corpora/..", "/", "/etc"):
        if path.strip("/"):
            with pytest.raises(NotFound):
                below.listing(path)


def test_two_roots_of_one_name_are_told_apart(tmp_path: Path, settings: Settings) -> None:
    for each in ("a", "b"):
        (tmp_path / each / "data").mkdir(parents=True)
        (tmp_path / each / "data" / f"{each}.csv").write_text("x\n")
    settings.IMPORT_ROOTS = [tmp_path / "a" / "data", tmp_path / "b" / "data"]
    assert below_root("data/a.csv").name == "a.csv"
    assert below_root("data-2/b.csv").name == "b.csv"


# URLs


def test_a_url_is_fetched_and_kept(server: FileServer, tmp_path: Path) -> None:
    given = fetched(server.gives("/files/train.jsonl", LINE) + "?signature=1#part")
    assert (given.name, given.path.read_bytes()) == ("train.jsonl", LINE)
    assert kept(tmp_path) == ["s-0.jsonl"]
    assert server.asked[0][0] == "/files/train.jsonl?signature=1"


def test_a_file_that_is_there_is_not_fetched_again(server: FileServer) -> None:
    url = server.gives("/a.jsonl", LINE)
    assert fetched(url) == fetched(url)
    assert len(server.asked) == 1


def test_a_packed_file_is_kept_as_it_is(server: FileServer) -> None:
    content = gzip.compress(LINE)
    assert fetched(server.gives("/a.jsonl.gz", content)).path.read_bytes() == content


def test_a_packed_answer_is_unpacked(server: FileServer) -> None:
    url = server.gives("/a.jsonl", gzip.compress(LINE), Content_Encoding="gzip")
    assert fetched(url).path.read_bytes() == LINE


def test_the_name_the_other_side_gives_is_only_a_hint(server: FileServer, tmp_path: Path) -> None:
    disposition = 'attachment; filename="../../../etc/evil\\..\\x.csv"'
    url = server.gives("/download", b"a,b\n", Content_Disposition=disposition)
    given = fetched(url)
    assert given.name == "x.csv"
    assert kept(tmp_path) == ["s-0.csv"]
    assert fetched(url).path == given.path
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost/a.jsonl",
        "http://localhost.:80/a.jsonl",
        "http://[::1]/a.jsonl",
        "http://[::ffff:10.0.0.1]/a.jsonl",
        "http://2130706433/a.jsonl",
        "http://0x7f.1/a.jsonl",
        "http://10.0.0.1/a.jsonl",
        "http://192.168.1.1:8080/a.jsonl?x=1",
        "http://user:secret@example.com/a.jsonl",
        "file:///etc/passwd",
        "ftp://example.com/a.jsonl",
        "gopher://example.com/",
        "//example.com/a.jsonl",
        "https:///a.jsonl",
        "http://exa\nmple.com/a",
        "http://example.com:99999/a",
        "",
    ],
)
def test_an_address_that_may_not_be_asked_is_refused(settings: Settings, url: str) -> None:
    settings.IMPORT_PRIVATE_HOSTS = []
    with pytest.raises(InvalidInput):
        fetched(url)


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:1/secret",
        "http://[::1]:{port}/secret",
        "//10.1.2.3/secret",
        "file:///etc/passwd",
    ],
)
def test_a_redirect_into_a_private_net_is_not_followed(
    server: FileServer, settings: Settings, tmp_path: Path, target: str
) -> None:
    settings.IMPORT_PRIVATE_HOSTS = [f"127.0.0.1:{server.port}"]
    server.gives("/secret", b"secret")
    url = server.leads("/a.jsonl", target.format(port=server.port))
    with pytest.raises(InvalidInput):
        fetched(url)
    assert [path for path, _headers in server.asked] == ["/a.jsonl"]
    assert kept(tmp_path) == []


def test_a_redirect_is_followed_where_it_may_be(server: FileServer) -> None:
    server.gives("/there/b.jsonl", LINE)
    given = fetched(server.leads("/a.jsonl", "there/b.jsonl"))
    assert given.path.read_bytes() == LINE


def test_redirects_come_to_an_end(server: FileServer, tmp_path: Path) -> None:
    url = server.leads("/a.jsonl", "/a.jsonl")
    with pytest.raises(NotFetched, match="more than 5 times"):
        fetched(url)
    assert kept(tmp_path) == []


def test_a_name_that_resolves_to_a_private_address_is_refused(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings
) -> None:
    settings.IMPORT_PRIVATE_HOSTS = []
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **named: [entry])
    with pytest.raises(InvalidInput, match="not public") as caught:
        fetched(f"http://data.example.com:{server.port}/a.jsonl")
    # Where inner names lead is nobody's business.
    assert "127.0.0.1" not in caught.value.message
    assert (server.asked, kept(tmp_path)) == ([], [])


def test_a_body_without_an_end_is_cut(
    server: FileServer, settings: Settings, tmp_path: Path
) -> None:
    settings.IMPORT_MAX_BYTES = 2**20

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(bytes(2**16))

    server.answers["/a.jsonl"] = endless
    with pytest.raises(InvalidInput, match="larger than 1 MB"):
        fetched(server.url + "/a.jsonl")
    assert kept(tmp_path) == []


def test_an_answer_that_unpacks_without_an_end_is_cut(
    server: FileServer, settings: Settings, tmp_path: Path
) -> None:
    settings.IMPORT_MAX_BYTES = 2**20
    bomb = gzip.compress(bytes(64 * 2**20))
    url = server.gives("/a.jsonl", bomb, Content_Encoding="gzip")
    with pytest.raises(InvalidInput, match="larger than 1 MB"):
        fetched(url)
    assert kept(tmp_path) == []


def test_a_file_that_says_it_is_too_large_is_not_begun(
    server: FileServer, settings: Settings, tmp_path: Path
) -> None:
    settings.IMPORT_MAX_BYTES = 2**20
    with pytest.raises(InvalidInput, match="larger than 1 MB"):
        fetched(server.gives("/a.jsonl", b"", Content_Length=str(2**40)))
    assert kept(tmp_path) == []


def test_a_file_that_breaks_off_is_not_kept(server: FileServer, tmp_path: Path) -> None:
    def short(request: BaseHTTPRequestHandler) -> None:
        send(request, LINE, Content_Length="1000")
        request.close_connection = True

    server.answers["/a.jsonl"] = short
    with pytest.raises(NotFetched, match="did not send the file"):
        fetched(server.url + "/a.jsonl")
    assert kept(tmp_path) == []


def test_a_server_that_drips_is_left(server: FileServer, tmp_path: Path) -> None:
    def dripping(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(100):
            request.wfile.write(b"x")
            time.sleep(0.02)

    server.answers["/a.jsonl"] = dripping
    path = tmp_path / "a"
    wish = Wish(server.url + "/a.jsonl", seconds=0.3)
    with pytest.raises(TooSlow, match="in time"), growing(path) as into:
        fetch(wish, into, lambda: None)
    assert list(tmp_path.iterdir()) == []


def test_who_waits_for_a_page_gets_small_files_only(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = server.gives("/a.jsonl", LINE)
    small = glanced(url)
    assert small is not None
    assert (small.path.name, small.path.read_bytes()) == ("s-0.jsonl", LINE)
    # The import goes on with what was looked at.
    assert fetched(url) == small
    assert len(server.asked) == 1
    small.path.unlink()
    monkeypatch.setattr("annotation.instances.sources.given.GLANCE_BYTES", len(LINE) - 1)
    assert glanced(url) is None
    assert kept(tmp_path) == []


def test_nobody_wants_it_any_more(server: FileServer, tmp_path: Path) -> None:
    class GoneError(Exception):
        pass

    def check() -> None:
        raise GoneError

    with pytest.raises(GoneError):
        fetched(server.gives("/a.jsonl", LINE), check=check)
    assert kept(tmp_path) == []


@pytest.mark.parametrize("path", ["/missing.jsonl"])
def test_an_error_of_the_other_side_is_said(server: FileServer, path: str, tmp_path: Path) -> None:
    with pytest.raises(NotFetched, match="status 404"):
        fetched(server.url + path)
    with pytest.raises(NotFetched, match="did not send"):
        fetched("http://127.0.0.1:1/a.jsonl")
    assert kept(tmp_path) == []


# The hub


class Hub:
    """The two endpoints of a hub that an import asks: a data set's page, and its files."""

    COMMIT = "a" * 40

    def __init__(self, server: FileServer) -> None:
        self.server = server
        self.files: dict[str, bytes] = {}
        self.card: dict[str, Any] | None = None
        self.status = 200
        for path in ("/api/datasets/lab/set", f"/api/datasets/lab/set/revision/{self.COMMIT}"):
            server.answers[path] = self._page

    def holds(self, path: str, content: bytes = LINE) -> None:
        self.files[path] = content
        where = f"/datasets/lab/set/resolve/{self.COMMIT}/{path}"
        self.server.gives("/cdn/" + path, content)
        self.server.leads(where, "/cdn/" + path)

    def _page(self, request: BaseHTTPRequestHandler) -> None:
        page = {
            "id": "lab/set",
            "sha": self.COMMIT,
            "cardData": self.card,
            "siblings": [
                {"rfilename": path, "size": len(content)} for path, content in self.files.items()
            ],
        }
        send(request, json.dumps(page).encode(), Content_Type="application/json")


@pytest.fixture
def the_hub(server: FileServer, settings: Settings) -> Hub:
    # The operator's own endpoint needs no entry among the private hosts.
    settings.IMPORT_PRIVATE_HOSTS = []
    settings.HF_ENDPOINT = server.url
    return Hub(server)


def of_hub(**values: str) -> list[Given]:
    return collect(parse_source({"kind": "hub", "dataset": "lab/set", **values}), stem="h")


def test_all_files_of_a_split_are_fetched(the_hub: Hub, tmp_path: Path) -> None:
    the_hub.holds("data/train-00000-of-00002.parquet", b"1")
    the_hub.holds("data/train-00001-of-00002.parquet", b"2")
    the_hub.holds("data/test-00000-of-00001.parquet", b"3")
    the_hub.holds("set.py", b"import os")
    the_hub.holds("README.md", b"#")
    given = of_hub(split="train")
    assert [each.path.read_bytes() for each in given] == [b"1", b"2"]
    assert [each.name for each in given] == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    assert len(of_hub()) == 3
    assert not any("set.py" in path for path, _headers in the_hub.server.asked)


def test_a_revision_is_asked_for(the_hub: Hub) -> None:
    the_hub.holds("train.jsonl")
    assert of_hub(revision=Hub.COMMIT)[0].path.read_bytes() == LINE
    assert the_hub.server.asked[0][0].startswith(f"/api/datasets/lab/set/revision/{Hub.COMMIT}")
    for bad in ("../../x", "a b", "x" * 300):
        with pytest.raises(InvalidInput, match="branch"):
            of_hub(revision=bad)


def test_folders_are_configurations(the_hub: Hub) -> None:
    the_hub.holds("harmless-base/train.jsonl.gz", b"1")
    the_hub.holds("harmless-base/test.jsonl.gz", b"2")
    the_hub.holds("helpful-base/train.jsonl.gz", b"3")
    with pytest.raises(InvalidInput, match=r"Choose.*harmless-base, helpful-base"):
        of_hub()
    given = of_hub(config="helpful-base", split="train")
    assert [each.path.read_bytes() for each in given] == [b"3"]
    with pytest.raises(InvalidInput, match="no split"):
        of_hub(config="helpful-base", split="test")
    with pytest.raises(InvalidInput, match="no configuration"):
        of_hub(config="other")


def test_the_card_says_what_belongs_together(the_hub: Hub) -> None:
    the_hub.holds("a/one.csv", b"1")
    the_hub.holds("b/two.csv", b"2")
    the_hub.card = {
        "license": "cc-by-4.0",
        "configs": [
            {
                "config_name": "main",
                "data_files": [
                    {"split": "held_out", "path": "b/*.csv"},
                    {"split": "train", "path": ["a/*.csv"]},
                ],
            }
        ],
    }
    assert [each.path.read_bytes() for each in of_hub(split="held_out")] == [b"2"]
    assert hub.look_up("lab/set").licence == "cc-by-4.0"


def test_a_data_set_of_code_alone_is_refused(the_hub: Hub) -> None:
    the_hub.holds("set.py", b"import os; os.system('id')")
    the_hub.holds("data.pkl", b"\x80\x04")
    with pytest.raises(InvalidInput, match="code of a data set is not run"):
        of_hub()


def test_a_data_set_that_is_too_large_is_refused(the_hub: Hub, settings: Settings) -> None:
    settings.IMPORT_MAX_BYTES = 10
    the_hub.holds("train.jsonl")
    with pytest.raises(InvalidInput, match="together"):
        of_hub()


def test_the_key_goes_to_the_hub_only(
    the_hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_server")
    the_hub.holds("train.jsonl")
    of_hub()
    assert not any("authorization" in headers for _path, headers in the_hub.server.asked)
    settings.IMPORT_HUB_TOKEN = "hf_for_imports"
    with serving() as elsewhere:
        settings.IMPORT_PRIVATE_HOSTS = ["127.0.0.1"]
        elsewhere.gives("/train.jsonl", LINE)
        where = f"/datasets/lab/set/resolve/{Hub.COMMIT}/train.jsonl"
        the_hub.server.leads(where, elsewhere.url + "/train.jsonl")
        collect(parse_source({"kind": "hub", "dataset": "lab/set"}), stem="again")
        assert "authorization" not in elsewhere.asked[0][1]
    keys = [headers.get("authorization") for _path, headers in the_hub.server.asked[-2:]]
    assert keys == ["Bearer hf_for_imports"] * 2


@pytest.mark.parametrize(
    ("dataset", "error"),
    [("lab/none", "shows no data set"), ("lab/set/more", "owner/name"), ("../etc", "owner/name")],
)
def test_a_data_set_that_is_not_there_is_said(the_hub: Hub, dataset: str, error: str) -> None:
    with pytest.raises(ApplicationError, match=error):
        collect(parse_source({"kind": "hub", "dataset": dataset}), stem="h")


def test_a_hub_that_is_none_is_said(the_hub: Hub) -> None:
    the_hub.server.gives("/api/datasets/lab/set", b"<html>hello</html>")
    with pytest.raises(NotFetched, match="not that of a hub"):
        of_hub()


def test_a_hub_that_is_away_is_said(settings: Settings) -> None:
    settings.HF_ENDPOINT = "http://127.0.0.1:1"
    with pytest.raises(NotFetched, match="cannot be reached"):
        of_hub()


# What a request holds


@pytest.mark.parametrize(
    "value",
    [
        None,
        "url",
        {"kind": "ftp"},
        {"kind": ["url"]},
        {"kind": "url"},
        {"kind": "url", "url": 5},
        {"kind": "path", "path": "a\0b"},
        {"kind": "path", "path": "a", "root": "/"},
        {"kind": "kept", "files": [{"file": "x", "name": "y"}]},
    ],
)
def test_a_source_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput):
        parse_source(value)


def test_a_job_finds_its_files_again(server: FileServer, tmp_path: Path) -> None:
    source = {"kind": "url", "url": server.gives("/a.jsonl", LINE)}
    arguments = {"source": source, "stem": "job", "name": "a.jsonl"}
    for _attempt in range(2):
        (given,) = gathered(arguments, lambda: None, lambda text: None)
    assert (given.path.name, len(server.asked)) == ("job-0.jsonl", 1)
    with pytest.raises(NotFound):
        gathered({"file": "../../x.jsonl", "name": "x"}, lambda: None, lambda text: None)
    with pytest.raises(NotFound):
        gathered({}, lambda: None, lambda text: None)
