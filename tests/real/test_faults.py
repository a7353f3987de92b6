"""The proxy does what it says: each fault is seen from both of its sides."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from real.faults import HTML, Answer, Delay, Do, Drop, Faults, Request


class _Echo(BaseHTTPRequestHandler):
    """Answers with method, path and body of what it was sent, and remembers it."""

    protocol_version = "HTTP/1.1"
    seen: list[str]

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        line = f"{self.command} {self.path} {body.decode()}".strip()
        self.seen.append(line)
        self.send_response(201, "Made")
        self.send_header("X-Echo", "yes")
        self.send_header("Content-Length", str(len(line)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(line.encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_any

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to say."""


@pytest.fixture
def seen() -> list[str]:
    """What reached the server behind the proxy."""
    return []


@pytest.fixture
def proxy(seen: list[str]) -> Iterator[Faults]:
    """A proxy before an echoing server."""
    echo = ThreadingHTTPServer(("127.0.0.1", 0), type("Echo", (_Echo,), {"seen": seen}))
    thread = threading.Thread(target=echo.serve_forever, args=(0.02,))
    thread.start()
    try:
        with Faults(f"http://127.0.0.1:{echo.server_address[1]}") as faults:
            yield faults
    finally:
        echo.shutdown()
        echo.server_close()
        thread.join()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_request_passes_unchanged(proxy: Faults, seen: list[str], method: str) -> None:
    """Method, path, query, body, status and headers come through in both directions."""
    answer = requests.request(method, f"{proxy.uri}/a/b?c=d%2Fe", data="body", timeout=10)
    assert (answer.status_code, answer.headers["X-Echo"], answer.text) == (201, "yes", f"{method} /a/b?c=d%2Fe body")
    assert seen == [f"{method} /a/b?c=d%2Fe body"]


def test_a_head_request_gets_no_body(proxy: Faults) -> None:
    """A connection that is kept open stays readable after HEAD."""
    with requests.Session() as session:
        assert session.head(f"{proxy.uri}/x", timeout=10).text == ""
        assert session.get(f"{proxy.uri}/y", timeout=10).text == "GET /y"


def test_a_chunked_upload_arrives_whole(proxy: Faults, seen: list[str]) -> None:
    """Artifacts are uploaded in chunks of unknown total size."""
    requests.put(f"{proxy.uri}/file", data=iter([b"one ", b"two"]), timeout=10)
    assert seen == ["PUT /file one two"]


def test_requests_are_counted_and_recorded(proxy: Faults) -> None:
    """The record has method, path, query and body, numbered from 1; reset begins anew."""
    requests.get(f"{proxy.uri}/a?q=1", timeout=10)
    requests.post(f"{proxy.uri}/b", data="x", timeout=10)
    assert proxy.requests == [Request(1, "GET", "/a", "q=1"), Request(2, "POST", "/b", "", b"x")]
    assert (proxy.count, proxy.paths()) == (2, ["GET /a", "POST /b"])
    proxy.reset()
    assert proxy.count == 0


def test_only_the_named_request_is_struck(proxy: Faults, seen: list[str]) -> None:
    """The second of three is answered in the server's place, which never sees it."""
    proxy.at(2, Answer(500))
    statuses = [requests.get(f"{proxy.uri}/{n}", timeout=10).status_code for n in (1, 2, 3)]
    assert statuses == [201, 500, 201]
    assert seen == ["GET /1", "GET /3"]


def test_a_range_of_requests_is_struck(proxy: Faults) -> None:
    """From the second on the server is down."""
    proxy.at(range(2, 100), Answer(503))
    assert [requests.get(proxy.uri, timeout=10).status_code for _ in range(3)] == [201, 503, 503]


def test_html_is_answered_with_status_200(proxy: Faults) -> None:
    """A sign-in page looks like success until it is read."""
    proxy.always(HTML)
    answer = requests.get(proxy.uri, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
    assert answer.text.startswith("<!doctype html>")


def test_a_drop_before_hides_the_request_from_the_server(proxy: Faults, seen: list[str]) -> None:
    """The client's connection breaks and nothing was done."""
    proxy.always(Drop())
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{proxy.uri}/x", timeout=10)
    assert seen == []


def test_a_drop_after_loses_only_the_answer(proxy: Faults, seen: list[str]) -> None:
    """The client's connection breaks although the server has done what it was asked."""
    proxy.always(Drop(forward=True))
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{proxy.uri}/x", timeout=10)
    assert seen == ["POST /x"]


def test_a_delay_outlasts_an_impatient_client(proxy: Faults) -> None:
    """The client gives up; leaving the proxy's block does not wait for the delay to end."""
    proxy.always(Delay(3600))
    with pytest.raises(requests.ReadTimeout):
        requests.get(proxy.uri, timeout=0.2)


def test_a_short_delay_ends_in_the_servers_answer(proxy: Faults) -> None:
    """Slow is not broken."""
    proxy.always(Delay(0.01))
    assert requests.get(f"{proxy.uri}/slow", timeout=10).text == "GET /slow"


@pytest.mark.parametrize(("after", "order"), [(False, ["mine", "GET /x"]), (True, ["GET /x", "mine"])])
def test_an_action_runs_before_or_after_the_server(
    proxy: Faults, seen: list[str], after: bool, order: list[str]
) -> None:
    """This is how a process is killed at an exact request of its run."""
    proxy.always(Do(lambda request: seen.append("mine"), after=after))
    assert requests.get(f"{proxy.uri}/x", timeout=10).text == "GET /x"
    assert seen == order


def test_the_first_rule_that_fits_is_taken(proxy: Faults) -> None:
    """Narrow rules go before wide ones."""
    proxy.when(lambda request: request.path == "/a", Answer(404))
    proxy.always(Answer(500))
    assert [requests.get(f"{proxy.uri}{p}", timeout=10).status_code for p in ("/a", "/b")] == [404, 500]


def test_an_absent_server_is_a_bad_gateway() -> None:
    """What a reverse proxy says when there is nothing behind it."""
    with Faults("http://127.0.0.1:9") as proxy:
        assert requests.get(proxy.uri, timeout=10).status_code == 502


def test_a_closed_proxy_refuses_connections() -> None:
    """Leaving the block frees the port."""
    with Faults("http://127.0.0.1:9") as proxy:
        uri = proxy.uri
    with pytest.raises(requests.ConnectionError):
        requests.get(uri, timeout=10)
