"""Starts the OpenID provider of this folder: npm's `oidc-provider`, a real one, on loopback."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

HERE = Path(__file__).parent
CACHE = Path(__file__).parents[4] / ".cache"
FILES = ("package.json", "package-lock.json", "server.mjs")
CLIENT_SECRET = "a secret: of+a test%"
REDIRECT_URI = "http://api/api/common/v1/auth/sso/callback"

Claims = Mapping[str, Any]


@dataclass(frozen=True)
class Provider:
    """A provider that runs, and what it says of people."""

    issuer: str

    def says(self, login: str, claims: Claims) -> None:
        """From now on the provider says this of somebody."""
        httpx.put(f"{self.issuer}/people/{login}", json=dict(claims), trust_env=False).raise_for_status()

    async def log_in(self, url: str, login: str) -> str:
        """What a person does there: log in, consent. Answers where the provider sends the browser."""
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as browser:
            page = await _until_away(browser, await browser.get(url, follow_redirects=False))
            while isinstance(page, httpx.Response):
                assert page.status_code == 200, page.text
                action = re.search(r'action="([^"]+)"', page.text)
                prompt = re.search(r'name="prompt" value="([^"]+)"', page.text)
                assert action, page.text
                assert prompt, page.text
                form = {"prompt": prompt[1], "login": login, "password": "any"}
                posted = await browser.post(httpx.URL(self.issuer).join(action[1]), data=form, follow_redirects=False)
                page = await _until_away(browser, posted)
            return page


async def _until_away(browser: httpx.AsyncClient, answer: httpx.Response) -> httpx.Response | str:
    """Follow redirects within the provider; a string is where it sends the browser away to."""
    while answer.is_redirect:
        target = answer.url.join(answer.headers["location"])
        if target.host != answer.url.host:
            return str(target)
        answer = await browser.get(target, follow_redirects=False)
    return answer


@contextmanager
def running(people: Mapping[str, Claims]) -> Iterator[Provider]:
    """A provider of these people. Skips the test, and says why, where it cannot run."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.skip("no node here: the OpenID provider of these tests is npm's oidc-provider")
    environment = {"PATH": os.environ["PATH"], "PEOPLE": json.dumps(people), "CLIENT_SECRET": CLIENT_SECRET}
    environment |= {"REDIRECT_URI": REDIRECT_URI, "NODE_NO_WARNINGS": "1"}
    argv = ["setpriv", "--pdeathsig=TERM", node, str(_installed() / "server.mjs")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True) as process:
        assert process.stdout
        try:
            port = process.stdout.readline().strip()
            assert port.isdecimal(), "the OpenID provider did not start"
            yield Provider(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


def _installed() -> Path:
    """The provider with its packages, installed once for each state of its files."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:12]
    home = CACHE / f"oidc-{digest}"
    if not home.exists():
        CACHE.mkdir(exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix="oidc-", dir=CACHE))
        for name in FILES:
            shutil.copy(HERE / name, fresh)
        installed = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=fresh, capture_output=True, text=True, check=False
        )
        if installed.returncode:
            shutil.rmtree(fresh)
            pytest.skip(f"npm ci of the OpenID provider failed: {installed.stderr[-300:]}")
        try:
            fresh.rename(home)
        except OSError:  # another test process was first
            shutil.rmtree(fresh)
    return home
