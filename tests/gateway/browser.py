# SPDX-License-Identifier: Apache-2.0
"""What a browser does with redirects and cookies, and nothing else."""
import http.client
from urllib.parse import urljoin, urlsplit

from support import LIMIT

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


class Answer:
    def __init__(self, url, got):
        self.url, self.status, self.fields, self.body = url, got.status, got.getheaders(), got.read().decode("latin-1")

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name]

    def field(self, name):
        return next(iter(self.all(name)), None)


class Browser:
    def __init__(self):
        self.jars = {}      # host and port -> {name: value}
        self.history = []   # of answers

    def cookies(self, url):
        return self.jars.setdefault(urlsplit(url).netloc, {})

    def one(self, url, method="GET", fields=None, body=None):
        """One request, no redirect followed."""
        parts = urlsplit(url)
        jar = self.cookies(url)
        fields = dict(PAGE if fields is None else fields)
        if jar:
            fields["cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        peer = http.client.HTTPConnection(parts.netloc, timeout=LIMIT)
        try:
            peer.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body=body, headers=fields)
            answer = Answer(url, peer.getresponse())
        finally:
            peer.close()
        for text in answer.all("set-cookie"):
            pair, *attributes = text.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                jar.pop(name, None)
            else:
                jar[name] = value
        self.history.append(answer)
        return answer

    def go(self, url, until=None, **more):
        """Follows redirects: to the end, or until a URL that has `until` in it would be asked, which is returned."""
        for _ in range(10):
            answer = self.one(url, **more)
            if answer.status not in (301, 302, 303, 307, 308):
                assert until is None, (answer.status, answer.url, answer.body)
                return answer
            url = urljoin(url, answer.field("location"))
            if until is not None and until in url:
                return url
        raise AssertionError("redirects without end: " + str([answer.url for answer in self.history]))
