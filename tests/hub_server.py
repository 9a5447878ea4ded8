"""A small Hub on localhost, for the real client: repositories in memory, faults on demand."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

#: Name of the model of the fixture ``published``.
ID = "some-one/mdi_to.hmi-2"


@dataclass
class Repository:
    """``branches`` name commits, ``commits`` hold files by their paths."""

    private: bool = False
    gated: bool = False
    branches: dict = field(default_factory=lambda: {"main": "0" * 40})
    commits: dict = field(default_factory=lambda: {"0" * 40: {}})

    def commit(self, files, branch="main"):
        parent = self.branches[branch]
        content = {**self.commits[parent], **files}
        seed = parent + "".join(f"{path}{sha(data)}" for path, data in sorted(content.items()))
        commit = hashlib.sha1(seed.encode()).hexdigest()
        self.branches[branch] = commit
        self.commits[commit] = content
        return commit


@dataclass
class Request:
    method: str
    path: str
    headers: dict


def sha(data):
    return hashlib.sha256(data).hexdigest()


class HubServer:
    """
    The server.

    ``requests`` are those seen; ``fail(status, path, times)`` answers a path that matches with an
    error; ``cut(path, n_bytes, times)`` closes the connection after so many bytes of a file.
    ``tokens`` are the valid ones; without one nothing is written, and nothing private read.
    """

    def __init__(self):
        self.repositories, self.requests, self.uploads, self.faults = {}, [], {}, []
        self.tokens = {"hf_valid"}
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Down for good: connections are refused."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def add(self, name, folder, **changes):
        """Repository of the files of a folder; its first commit."""
        repository = self.repositories[name] = Repository(**changes)
        return repository.commit({path.name: path.read_bytes() for path in folder.iterdir()})

    def fail(self, status, path, times=1000, **headers):
        self.faults.append({"path": path, "times": times, "status": status, "headers": headers})

    def cut(self, path, n_bytes, times=1):
        self.faults.append({"path": path, "times": times, "bytes": n_bytes})

    def given(self):
        """Names of the files that were asked for, in order."""
        paths = [request.path for request in self.requests if request.method == "GET"]
        return [path.rpartition("/")[2] for path in paths if "/resolve/" in path]

    def agents(self):
        """
        Who asked, by the first part of the User-Agent.

        Left out are the client's own question, once a day, and what goes to the storage.
        """
        asked = [r for r in self.requests if r.path != "/api/agent-harnesses" and r.method != "PUT"]
        return {request.headers["User-Agent"].partition(";")[0] for request in asked}

    def fault(self, kind, path):
        for fault in self.faults:
            if kind in fault and fault["times"] > 0 and re.search(fault["path"], path):
                fault["times"] -= 1
                return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    hub = None

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def _serve(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(
            Request(self.command, path, {k.title(): v for k, v in self.headers.items()})
        )
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault := self.hub.fault("status", path):
            self._answer(fault["status"], {"error": "on demand"}, **fault["headers"])
            return
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.hub.tokens:
            self._answer(401, {"error": "Invalid credentials"}, message="Invalid credentials")
            return
        self.known = bool(token)
        for method, pattern, route in _ROUTES:
            if self.command in method and (match := re.fullmatch(pattern, path)):
                with contextlib.suppress(_Refused):
                    route(self, **match.groupdict())
                return
        self._answer(404, {"error": "no such route"})

    def _answer(self, status, content=None, data=None, message=None, **headers):
        data = json.dumps(content).encode() if data is None else data
        self.send_response(status)
        headers.setdefault("Content_Length", len(data))
        if message:
            headers["X_Error_Message"] = message
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _refuse(self, status, code):
        self._answer(status, {"error": code}, X_Error_Code=code)
        raise _Refused

    def _repository(self, name, revision=None, write=False):
        repository = self.hub.repositories.get(name)
        if write and not self.known:
            self._refuse(401, "Unauthorized")
        if repository is None or (repository.private and not self.known):
            self._refuse(404, "RepoNotFound")
        if repository.gated and not self.known:
            self._refuse(401, "GatedRepo")
        commit = repository.branches.get(revision or "main", revision)
        if commit not in repository.commits:
            self._refuse(404, "RevisionNotFound")
        return repository, commit

    def info(self, name, revision=None):
        repository, commit = self._repository(name, revision)
        files = [{"rfilename": path} for path in repository.commits[commit]]
        facts = {"id": name, "sha": commit, "private": repository.private, "siblings": files}
        self._answer(200, facts)

    def tree(self, name, revision):
        repository, commit = self._repository(name, revision)
        entries = []
        for path, data in repository.commits[commit].items():
            oid = hashlib.sha1(data or b"").hexdigest()
            size = len(data or b"")
            entry = {"type": "file", "path": path, "oid": oid, "size": size}
            if path.endswith(".safetensors"):
                entry["lfs"] = {"oid": sha(data or b""), "size": size, "pointerSize": 130}
            entries.append(entry)
        self._answer(200, entries)

    def resolve(self, name, revision, file):
        repository, commit = self._repository(name, revision)
        data = repository.commits[commit].get(file)
        if data is None:
            self._refuse(404, "EntryNotFound")
        digest = sha(data) if file.endswith(".safetensors") else hashlib.sha1(data).hexdigest()
        headers = {"ETag": f'"{digest}"', "X_Repo_Commit": commit, "Accept_Ranges": "bytes"}
        status, start = 200, 0
        if ranged := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            status, start = 206, int(ranged[1])
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        headers["Content_Length"] = len(data) - start
        data = data[start:]
        if self.command == "GET" and (fault := self.hub.fault("bytes", self.path)):
            data = data[: fault["bytes"]]
        self._answer(status, data=data, **headers)

    def create(self):
        if not self.known:
            self._refuse(401, "Unauthorized")
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        exists = name in self.hub.repositories
        if not exists:
            private = asked.get("visibility") == "private" or asked.get("private", False)
            self.hub.repositories[name] = Repository(private=private)
        self._answer(409 if exists else 200, {"url": f"{self.hub.url}/{name}"})

    def validate(self):
        self._answer(200, {"errors": [], "warnings": []})

    def branch(self, name, revision):
        repository, commit = self._repository(name, write=True)
        exists = revision in repository.branches
        repository.branches.setdefault(revision, commit)
        self._answer(409 if exists else 200, {})

    def preupload(self, name, revision):
        self._repository(name, revision, write=True)
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(self.body)["files"]
        ]
        self._answer(200, {"files": modes})

    def batch(self, name):
        self._repository(name, write=True)
        objects = [
            entry | {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{entry['oid']}"}}}
            for entry in json.loads(self.body)["objects"]
        ]
        self._answer(200, {"transfer": "basic", "objects": objects})

    def upload(self, oid):
        assert sha(self.body) == oid
        self.hub.uploads[oid] = self.body
        self._answer(200, {})

    def commit(self, name, revision):
        repository, _ = self._repository(name, revision, write=True)
        files = {}
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                self.hub.message = value["summary"]
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                files[value["path"]] = self.hub.uploads[value["oid"]]
        commit = repository.commit(files, revision)
        url = f"{self.hub.url}/{name}/commit/{commit}"
        self._answer(200, {"commitUrl": url, "commitOid": commit})


class _Refused(Exception):
    pass


_NAME = r"(?P<name>[\w.-]+/[\w.-]+?)"
_ROUTES = [
    ("GET", rf"/api/models/{_NAME}(/revision/(?P<revision>.+))?", _Handler.info),
    ("GET", rf"/api/models/{_NAME}/tree/(?P<revision>.+)", _Handler.tree),
    ("GET HEAD", rf"/{_NAME}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", _Handler.resolve),
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("POST", rf"/api/models/{_NAME}/branch/(?P<revision>.+)", _Handler.branch),
    ("POST", rf"/api/models/{_NAME}/preupload/(?P<revision>.+)", _Handler.preupload),
    ("POST", rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", r"/lfs/(?P<oid>\w+)", _Handler.upload),
    ("POST", rf"/api/models/{_NAME}/commit/(?P<revision>.+)", _Handler.commit),
]
