"""HTTP for a guest without sockets: `urllib.request` and `requests`, on the host's `http_request`.

It runs inside the sandbox (CPython 3.14), and only in runs whose policy grants something. The real
`urllib.request` is used, with its opening of connections replaced; `requests` is a small stand-in,
unless the image holds the real package (which would find no sockets).
"""

import importlib.machinery
import importlib.util
import io
import json as json_module
import sys

_request = None


def install(http_request):
    """Let HTTP modules that are imported from now on, or were before, use the host's function."""
    global _request
    _request = http_request
    if not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    if "urllib.request" in sys.modules:
        _patch(sys.modules["urllib.request"])


class _Finder:
    """Finds the modules that have to be changed as they are imported."""

    def find_spec(self, name, path=None, target=None):
        if name == "urllib.request":
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            if spec is not None:
                spec.loader = _Patched(spec.loader)
            return spec
        if name in ("requests", "requests.exceptions"):
            return importlib.util.spec_from_loader(name, _Requests(), is_package=name == "requests")
        return None


class _Patched:
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        _patch(module)


def _patch(module):
    """Give `urllib.request` handlers that ask the host."""
    import urllib.response
    from email.message import Message

    class Response(urllib.response.addinfourl):
        def __init__(self, answer):
            headers = Message()
            for name, value in answer["headers"]:
                headers[name] = value
            super().__init__(io.BytesIO(answer["body"]), headers, answer["url"], answer["status"])
            self.msg = self.reason = answer["reason"]
            self.version = 11

        def getheader(self, name, default=None):
            return self.headers.get(name, default)

        def getheaders(self):
            return self.headers.items()

    def broker_open(self, request):
        headers = {**request.unredirected_hdrs, **request.headers}
        data = request.data
        if data is not None and not isinstance(data, (bytes, str)):
            data = data.read() if hasattr(data, "read") else b"".join(data)
        timeout = request.timeout
        seconds = {"timeout_s": float(timeout)} if isinstance(timeout, (int, float)) else {}
        try:
            answer = _request(request.get_method(), request.full_url, headers, data, **seconds)
        except OSError as error:
            raise module.URLError(error) from None
        return Response(answer)

    handler = module.HTTPHandler
    handler.http_open = handler.https_open = broker_open
    handler.https_request = handler.http_request
    module._opener = None


class _Requests:
    """Makes the stand-in for `requests`."""

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        if module.__name__ == "requests.exceptions":
            parent = importlib.import_module("requests")
            for name in _EXCEPTIONS:
                setattr(module, name, getattr(parent, name))
            return
        for name, thing in _requests_names().items():
            setattr(module, name, thing)
        module.exceptions = module
        module.__version__ = "0 (of the sandbox)"


_EXCEPTIONS = (
    "RequestException", "HTTPError", "ConnectionError", "Timeout", "TooManyRedirects", "InvalidURL",
    "JSONDecodeError",
)
REDIRECTS_MAX = 30


def _requests_names():
    import urllib.parse

    class RequestException(IOError):
        def __init__(self, *args, response=None, request=None):
            super().__init__(*args)
            self.response, self.request = response, request

    class HTTPError(RequestException):
        pass

    class ConnectionError(RequestException):
        pass

    class Timeout(RequestException):
        pass

    class TooManyRedirects(RequestException):
        pass

    class InvalidURL(RequestException, ValueError):
        pass

    class JSONDecodeError(RequestException, json_module.JSONDecodeError):
        def __init__(self, error):
            json_module.JSONDecodeError.__init__(self, error.msg, error.doc, error.pos)

    class Headers(dict):
        """Headers by name, whatever its case."""

        def __init__(self, pairs=()):
            super().__init__()
            self._names = {}
            for name, value in pairs:
                self[name] = f"{self[name]}, {value}" if name in self else value

        def __setitem__(self, name, value):
            super().__setitem__(self._names.setdefault(name.lower(), name), value)

        def __getitem__(self, name):
            return super().__getitem__(self._names[name.lower()])

        def __contains__(self, name):
            return name.lower() in self._names

        def get(self, name, default=None):
            return self[name] if name in self else default

    class Response:
        def __init__(self, answer, history):
            self.status_code, self.reason = answer["status"], answer["reason"]
            self.url, self.content = answer["url"], answer["body"]
            self.headers, self.history = Headers(answer["headers"]), history
            self.encoding = _charset(self.headers.get("content-type", ""))

        @property
        def ok(self):
            return self.status_code < 400

        @property
        def text(self):
            return self.content.decode(self.encoding or "utf-8", "replace")

        def json(self, **options):
            try:
                return json_module.loads(self.content, **options)
            except json_module.JSONDecodeError as error:
                raise JSONDecodeError(error) from None

        def raise_for_status(self):
            if not self.ok:
                kind = "Client" if self.status_code < 500 else "Server"
                message = f"{self.status_code} {kind} Error: {self.reason} for url: {self.url}"
                raise HTTPError(message, response=self)

        def iter_content(self, chunk_size=1):
            for at in range(0, len(self.content), chunk_size or len(self.content) or 1):
                yield self.content[at : at + (chunk_size or len(self.content))]

        def iter_lines(self):
            yield from self.content.splitlines()

        def close(self):
            pass

        def __bool__(self):
            return self.ok

        def __repr__(self):
            return f"<Response [{self.status_code}]>"

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            pass

    class Session:
        def __init__(self):
            self.headers, self.auth, self.params = Headers(), None, {}

        def request(self, method, url, params=None, data=None, headers=None, auth=None, timeout=None,
                    allow_redirects=True, json=None, **unsupported):
            for name, value in unsupported.items():
                if value not in (None, False, True) or name not in ("stream", "verify", "cookies", "proxies"):
                    raise TypeError(f"requests in the sandbox has no {name}=")
            sent = Headers([("User-Agent", "dspex"), ("Accept", "*/*"), *self.headers.items()])
            for name, value in (headers or {}).items():
                sent[name] = value
            query = urllib.parse.urlencode({**self.params, **dict(params or {})}, doseq=True)
            if query:
                url += ("&" if "?" in url else "?") + query
            if json is not None:
                data = json_module.dumps(json).encode()
                sent.setdefault("Content-Type", "application/json")
            elif isinstance(data, (dict, list, tuple)):
                data = urllib.parse.urlencode(data, doseq=True).encode()
                sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
            elif hasattr(data, "read"):
                data = data.read()
            user = auth or self.auth
            if user is not None:
                import base64
                token = base64.b64encode(f"{user[0]}:{user[1]}".encode()).decode()
                sent["Authorization"] = f"Basic {token}"
            seconds = timeout[-1] if isinstance(timeout, tuple) else timeout
            options = {} if seconds is None else {"timeout_s": float(seconds)}
            return self._follow(method.upper(), url, dict(sent), data, options, allow_redirects)

        def _follow(self, method, url, headers, data, options, follow):
            history = []
            while True:
                try:
                    answer = _request(method, url, headers, data, **options)
                except TimeoutError as error:
                    raise Timeout(str(error)) from None
                except OSError as error:
                    raise ConnectionError(str(error)) from None
                except ValueError as error:
                    raise InvalidURL(str(error)) from None
                response = Response(answer, list(history))
                place = response.headers.get("location")
                if not follow or place is None or response.status_code not in (301, 302, 303, 307, 308):
                    return response
                history.append(response)
                if len(history) > REDIRECTS_MAX:
                    raise TooManyRedirects(f"Exceeded {REDIRECTS_MAX} redirects.", response=response)
                before = urllib.parse.urlsplit(url)
                url = urllib.parse.urljoin(url, place)
                if urllib.parse.urlsplit(url).netloc != before.netloc:
                    headers.pop("Authorization", None)
                if response.status_code == 303 or (
                    response.status_code in (301, 302) and method == "POST"
                ):
                    method, data = "GET", None

        def get(self, url, **options):
            return self.request("GET", url, **options)

        def post(self, url, data=None, json=None, **options):
            return self.request("POST", url, data=data, json=json, **options)

        def put(self, url, data=None, **options):
            return self.request("PUT", url, data=data, **options)

        def patch(self, url, data=None, **options):
            return self.request("PATCH", url, data=data, **options)

        def delete(self, url, **options):
            return self.request("DELETE", url, **options)

        def head(self, url, **options):
            return self.request("HEAD", url, **{"allow_redirects": False, **options})

        def options(self, url, **options):
            return self.request("OPTIONS", url, **options)

        def close(self):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            pass

    def once(name):
        def function(*args, **options):
            return getattr(Session(), name)(*args, **options)
        function.__name__ = function.__qualname__ = name
        return function

    methods = ("request", "get", "post", "put", "patch", "delete", "head", "options")
    kinds = (RequestException, HTTPError, ConnectionError, Timeout, TooManyRedirects, InvalidURL,
             JSONDecodeError, Response, Session)
    for kind in kinds:
        kind.__module__ = "requests.exceptions" if issubclass(kind, OSError) else "requests"
        kind.__qualname__ = kind.__name__
    return {**{name: once(name) for name in methods}, **{kind.__name__: kind for kind in kinds}}


def _charset(content_type):
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip("\"'") or None
    return None
