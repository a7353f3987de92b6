"""GitHub's REST interface: one request at a time, asked again while that helps, and every failure in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from gatewright.forge.retry import Again, Patience, limited
from gatewright.forge.words import innermost, permissions, plain
from gatewright.problem import Undetermined, UsageError

T = TypeVar("T")

#: seconds to connect, seconds of silence, seconds for a whole answer; the most that is read of one, in bytes
CONNECT, SILENCE, WHOLE, LARGEST = 5.0, 30.0, 120.0, 64 * 2**20

PAGE = 100

_LATER = "Try again in a moment; nothing was decided."
_REACH = "Check that this machine may reach GitHub, and the API address."


class Refusal(Undetermined):
    """GitHub itself says no: asking again would change nothing."""


class Unsure(Undetermined):
    """A request that changes something broke off: it may have been carried out. least: seconds before another try."""

    def __init__(self, what: str, why: str, fix: str, least: float = 0.0) -> None:
        super().__init__(what, why, fix)
        self.least = least


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of the server itself: neither a limit nor an outage."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The content; None if it is empty."""
        return json.loads(self.content) if self.content else None


@dataclass(frozen=True, slots=True)
class Request:
    """One request. what: for people, completes "could not …".

    repeatable: carrying it out twice is the same as carrying it out once. inspect: raises Again if an answer that
    looks complete is none.
    """

    what: str
    method: str
    url: str
    params: Mapping[str, Any] | None = None
    body: Any = None
    repeatable: bool = True
    accept: str = "application/vnd.github+json"
    inspect: Callable[[Answer], None] | None = None


class Rest:
    """One API address with one token. Reads return None for "not found" alone."""

    def __init__(self, api_url: str, token: str, patience: Patience) -> None:
        import requests  # slow to import, and most comments need none of it

        self.api_url = api_url.rstrip("/")
        self.patience = patience
        self._token = token
        self._session = requests.Session()
        # A callable, lest requests put a login from ~/.netrc in the token's place.
        self._session.auth = self._authorise
        self._session.headers.update({"User-Agent": "gatewright", "X-GitHub-Api-Version": "2022-11-28"})

    def get(self, what: str, *path: str, **params: Any) -> Any | None:
        """One object. None if there is no such thing, or the token may not know of it."""
        answer = self.answer(Request(what, "GET", self.url(*path), params))
        return None if _absent(answer) else self.expect(what, answer).json()

    def file(self, what: str, *path: str, **params: Any) -> bytes | None:
        """A file's own bytes."""
        request = Request(what, "GET", self.url(*path), params, accept="application/vnd.github.raw+json")
        answer = self.answer(request)
        return None if _absent(answer) else self.expect(what, answer).content

    def pages(self, what: str, *path: str, key: str = "", **params: Any) -> list[Any] | None:
        """All objects of a list, over all its pages. key: the field that holds the list, where one does."""
        found: list[Any] = []
        number, more = 1, True
        while more:
            given = {**params, "per_page": PAGE, "page": number}
            answer = self.answer(Request(what, "GET", self.url(*path), given))
            if _absent(answer):
                return None
            content = self.expect(what, answer).json()
            page = content[key] if key else content
            found += page
            # A Link tells whether there is more; its address is not followed, lest the token go elsewhere.
            link = answer.headers.get("Link")
            more = 'rel="next"' in link if link else len(page) == PAGE
            number += 1
        return found

    def send(self, what: str, method: str, *path: str, body: Any = None, repeatable: bool = True) -> Any:
        """Changes something and returns what the server makes of it."""
        answer = self.answer(Request(what, method, self.url(*path), body=body, repeatable=repeatable))
        return self.expect(what, answer).json()

    def change(self, what: str, method: str, *path: str, body: Any = None) -> bool:
        """Changes or deletes what was there a moment ago; False if it is there no more."""
        answer = self.answer(Request(what, method, self.url(*path), body=body))
        if _absent(answer):
            return False
        self.expect(what, answer)
        return True

    def create(self, post: Callable[[], T], find: Callable[[], T | None]) -> T:
        """What `post` makes. Where its answer is lost, `find` looks for what it made before it is sent again.

        post must send with `repeatable=False`: a lost answer is not a lost request.
        """
        attempt = 0
        while True:
            try:
                return post()
            except Unsure as e:
                if not self.patience.wait(attempt, e.least):
                    raise
            found = find()
            if found is not None:
                return found
            attempt += 1

    def url(self, *path: str) -> str:
        """An address below the API's, each part exactly one segment of it."""
        if any(part in ("", ".", "..") for part in path):
            raise UsageError(f"{'/'.join(path)} is no address", "it has an empty or a relative part")
        return "/".join([self.api_url, *(quote(part, safe="") for part in path)])

    def answer(self, request: Request) -> Answer:
        """Sends a request until it is answered. Undetermined when patience ends, Unsure if it may have been done."""
        attempt = 0
        while True:
            try:
                return self._once(request)
            except Again as e:
                if not (request.repeatable or e.unsent):
                    raise Unsure(f"could not {request.what}", self.said(e.why), e.fix, e.least) from None
                if not self.patience.wait(attempt, e.least):
                    raise Undetermined(f"could not {request.what}", self.said(e.why), e.fix, e.reason) from None
            attempt += 1

    def expect(self, what: str, answer: Answer) -> Answer:
        """The answer; raises Refusal unless it is a yes."""
        if answer.status // 100 == 2:
            return answer
        said = f"GitHub answers {answer.status}: {self.said(_message(answer.content)) or 'no reason given'}"
        raise Refusal(f"could not {what}", said.rstrip("."), _remedy(answer))

    def said(self, text: str) -> str:
        """Somebody else's words, fit to be shown."""
        return plain(text, (self._token,))

    def _once(self, request: Request) -> Answer:
        answer = self._exchange(request)
        text = answer.content[:4000].decode("utf-8", "replace")
        wait = limited(answer.status, answer.headers, text, self.patience.now())
        if wait is not None:
            why = f"GitHub limits this token and asks to wait {wait:.0f} s: {_message(answer.content)}".rstrip(". ")
            raise Again(why, "Run it again after that time.", least=wait, unsent=True, reason="rate_limited")
        if answer.status == 408 or (answer.status >= 500 and answer.status != 501):
            raise Again(f"GitHub answers {answer.status}: {_message(answer.content)}".rstrip(": "), _LATER)
        if not _readable(request, answer):
            raise Again(f"GitHub's answer is no JSON but {text[:200]!r}", _REACH)
        if request.inspect:
            request.inspect(answer)
        return answer

    def _exchange(self, request: Request) -> Answer:
        import requests

        try:
            with self._session.request(
                request.method,
                request.url,
                params={k: v for k, v in (request.params or {}).items() if v is not None},
                json=request.body,
                headers={"Accept": request.accept},
                timeout=(CONNECT, SILENCE),
                # A redirected POST would become a GET.
                allow_redirects=request.method == "GET",
                stream=True,
            ) as response:
                return Answer(response.status_code, response.headers, self._content(response))
        except requests.exceptions.SSLError as e:
            fix = "Set REQUESTS_CA_BUNDLE to the certificate authority that signed the server's certificate."
            raise Again(f"the secure connection fails: {innermost(str(e))}", fix, unsent=True) from None
        except requests.ConnectTimeout:
            raise Again(f"GitHub cannot be reached within {CONNECT:g} s", _REACH, unsent=True) from None
        except requests.Timeout:
            raise Again(f"GitHub is silent for {SILENCE:g} s", _LATER) from None
        except (requests.RequestException, OSError) as e:
            refused = "NewConnectionError" in str(e) or "NameResolutionError" in str(e)
            raise Again(f"the connection breaks: {innermost(str(e))}", _REACH, unsent=refused) from None

    def _content(self, response: Any) -> bytes:
        content, end = bytearray(), self.patience.now() + WHOLE
        for chunk in response.iter_content(2**16):
            content += chunk
            if len(content) > LARGEST:
                raise Again(f"GitHub's answer is larger than {LARGEST} bytes", _LATER)
            if self.patience.now() > end:
                raise Again(f"GitHub's answer is not complete after {WHOLE:g} s", _LATER)
        return bytes(content)

    def _authorise(self, request: Any) -> Any:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _readable(request: Request, answer: Answer) -> bool:
    """Whether an answer is what GitHub would send: JSON, unless a file's own bytes were asked for."""
    if "raw" in request.accept and answer.status == 200:
        return "html" not in answer.headers.get("Content-Type", "")
    try:
        return answer.json() is not None or answer.status in (204, 205, 404)
    except ValueError:
        # Whoever has no such interface answers 404 in his own words.
        return answer.status == 404


def _absent(answer: Answer) -> bool:
    """Whether GitHub itself says that there is no such thing, and not something else that stands before it."""
    if answer.status not in (404, 410):
        return False
    if not answer.content:
        return "X-GitHub-Request-Id" in answer.headers
    return answer.content[:1] == b"{" and bool(_message(answer.content))


def _message(content: bytes) -> str:
    try:
        told = json.loads(content)
    except ValueError:
        return content[:4000].decode("utf-8", "replace")
    if not isinstance(told, dict):
        return ""
    faults = [e if isinstance(e, str) else e.get("message") or e.get("code", "") for e in told.get("errors") or ()]
    return "; ".join(map(str, filter(None, [told.get("message"), *faults])))


def _remedy(answer: Answer) -> str:
    if answer.status == 401:
        return "Pass a token that is still valid."
    if answer.status in (403, 404):
        wanted = permissions(answer.headers.get("X-Accepted-GitHub-Permissions", ""))
        grant = f"Give the job `permissions: {{{wanted}}}`" if wanted else "Give the token the permission to do this"
        return f"{grant}; for a pull request from a fork GitHub allows reading only."
    return "Check the request against what the repository allows."
