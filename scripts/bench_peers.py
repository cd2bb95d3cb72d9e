"""Runs lazaret and nginx side by side on the same hot answers; prints each row's rate and CPU per request relative to nginx.

Called by `bench-peers`, which installs what this needs.
"""

import contextlib
import datetime
import hashlib
import io
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = int(os.environ.get("SECONDS_EACH", "3"))
BOTO3_FILES = 4_312
JSON = "application/vnd.pypi.simple.v1+json"
OLD = datetime.datetime(2016, 1, 1)


class Index:
    """A made-up index: a page the size of boto3's, a small page, a small wheel and one of 18 MB."""

    def __init__(self):
        self.answers = {}
        self.add_page("boto3", BOTO3_FILES)
        self.add_page("small", 24)
        self.small_file = self.add_wheel("little", 10_000)
        self.large_file = self.add_wheel("large", 18_000_000)
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                content_type, body = index.answers.get(self.path, (None, b""))
                self.send_response(200 if content_type else 404)
                self.send_header("Content-Type", content_type or "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/simple/"

    def add_page(self, name, files):
        listed = []
        for number in range(files // 2):
            for pattern in ("{}-{}.tar.gz", "{}-{}-py3-none-any.whl"):
                filename = pattern.format(name, f"1.{number // 100}.{number % 100}")
                listed.append(self.listed(filename, hashlib.sha256(filename.encode()).hexdigest(), 130_000, number))
        self.list(name, listed)

    def add_wheel(self, name, size):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as wheel:
            wheel.writestr(f"{name}.bin", os.urandom(size))
            wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
        body = buffer.getvalue()
        digest, filename = hashlib.sha256(body).hexdigest(), f"{name}-1.0-py3-none-any.whl"
        self.list(name, [self.listed(filename, digest, len(body), 0)])
        self.answers[f"/packages/{digest[:20]}/{filename}"] = ("application/octet-stream", body)
        return f"/pypi/files/{name}/{digest}/{filename}"

    def list(self, name, files):
        page = {"meta": {"api-version": "1.4"}, "name": name, "files": files, "versions": []}
        self.answers[f"/simple/{name}/"] = (JSON, json.dumps(page).encode())

    @staticmethod
    def listed(filename, digest, size, day):
        return {
            "filename": filename,
            "url": f"/packages/{digest[:20]}/{filename}",
            "hashes": {"sha256": digest},
            "size": size,
            "requires-python": ">=3.9",
            "upload-time": (OLD + datetime.timedelta(days=day)).isoformat(timespec="microseconds") + "Z",
            "yanked": False,
        }


class Server:
    """A program on core 0, and how much CPU it has used."""

    def __init__(self, name, command, **how):
        self.name, self.process = name, subprocess.Popen(["taskset", "-c", "0", *command], **how)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)


def start_lazaret(program, folder, upstream):
    settings = {
        "LAZARET__LISTEN__PACKAGES": "127.0.0.1:0",
        "LAZARET__LISTEN__TEAPOT": "127.0.0.1:0",
        "LAZARET__LISTEN__ADMIN": "127.0.0.1:0",
        "LAZARET__STORE__DATA_DIR": str(folder / "data"),
        "LAZARET__PYPI__UPSTREAM": upstream,
        "LAZARET__PYPI__REFRESH": "1h",
    }
    server = Server(
        "lazaret", [program, "serve"], env=os.environ | settings, cwd=folder, stdout=subprocess.PIPE, text=True
    )
    for line in server.process.stdout:
        if ready := re.match(r"ready packages=(\S+)", line):
            return server, ready[1]
    sys.exit("lazaret did not start")


def start_nginx(folder):
    port_holder = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = port_holder.server_port
    port_holder.server_close()
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 512; }}
http {{
    access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000; server_tokens off;
    open_file_cache max=100; open_file_cache_valid 1h;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    types {{ {JSON} json; application/octet-stream whl; }}
    add_header Cache-Control "max-age=10"; add_header Vary "Accept, Accept-Encoding";
    server {{ listen 127.0.0.1:{port}; root {folder}/static; gzip_static on; }}
}}
""")
    server = Server("nginx", ["nginx", "-p", str(folder), "-c", str(configuration)])
    base = f"http://127.0.0.1:{port}"
    for _ in range(100):
        try:
            urllib.request.urlopen(base + "/small.json").read()
            return server, base
        except OSError:
            time.sleep(0.05)
    sys.exit("nginx did not start")


def get(url, headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return answer.read(), answer.headers


def wrk(url, connections, headers):
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    output = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    if "Non-2xx or 3xx" in output or "Socket errors" in output:
        sys.exit(f"{url}: {output}")
    slowest = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    requests = int(re.search(r"(\d+) requests in", output)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
    return requests, rate, float(slowest[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[slowest[2]]


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as servers:
        compare(program, pathlib.Path(name), servers)


def compare(program, folder, servers):
    index = Index()
    lazaret, ours = start_lazaret(program, folder, index.url)
    servers.callback(lazaret.stop)
    asked = {"Accept": JSON}
    packed = asked | {"Accept-Encoding": "gzip"}
    plain = asked | {"Accept-Encoding": "identity"}
    # nginx serves what lazaret serves, byte for byte.
    static = folder / "static"
    static.mkdir()
    for page in ("small", "boto3"):
        url = f"{ours}/pypi/simple/{page}/"
        get(url, packed)
        time.sleep(1.5)  # the smaller compression is made behind the first answer
        (static / f"{page}.json").write_bytes(get(url, plain)[0])
        (static / f"{page}.json.gz").write_bytes(get(url, packed)[0])
    for path, file in ((index.small_file, "little.whl"), (index.large_file, "large.whl")):
        (static / file).write_bytes(get(ours + path, {})[0])
    nginx, theirs = start_nginx(folder)
    servers.callback(nginx.stop)

    def validated(base, path):
        return packed | {"If-None-Match": get(base + path, packed)[1]["ETag"]}

    boto3, small = "/pypi/simple/boto3/", "/pypi/simple/small/"
    rows = [
        ("small page, gzip", 32, small, "/small.json", packed, packed),
        ("boto3 page, gzip", 8, boto3, "/boto3.json", packed, packed),
        ("boto3 page, identity", 8, boto3, "/boto3.json", plain, plain),
        ("304", 32, boto3, "/boto3.json", validated(ours, boto3), validated(theirs, "/boto3.json")),
        ("small file", 32, index.small_file, "/little.whl", {}, {}),
        ("18 MB wheel", 4, index.large_file, "/large.whl", {}, {}),
    ]
    if wanted := sys.argv[2:]:
        rows = [row for row in rows if any(word in row[0] for word in wanted)]
    measured = {}
    for _ in range(ROUNDS):
        for row, connections, our_path, their_path, our_headers, their_headers in rows:
            turns = ((lazaret, ours + our_path, our_headers), (nginx, theirs + their_path, their_headers))
            for server, url, headers in turns:
                before = server.cpu_seconds()
                requests, rate, slowest = wrk(url, connections, headers)
                cpu = (server.cpu_seconds() - before) / requests * 1e6
                measured.setdefault((row, server.name), []).append((rate, cpu, slowest))

    print(f"medians of {ROUNDS} rounds of {SECONDS} s; nginx static = 1.00")
    heads = ("row", "rate", "CPU", "p99", "lazaret", "nginx", "lazaret", "nginx")
    print("{:<22}{:>6}{:>6}{:>6}{:>14}{:>12}{:>12}{:>10}".format(*heads))
    for row, *_ in rows:
        mine, peer = (
            [statistics.median(values) for values in zip(*measured[row, server])] for server in ("lazaret", "nginx")
        )
        ratios = [a / b for a, b in zip(mine, peer)]
        print(
            f"{row:<22}{ratios[0]:>6.2f}{ratios[1]:>6.2f}{ratios[2]:>6.2f}"
            f"{mine[0]:>12,.0f}/s{peer[0]:>10,.0f}/s{mine[1]:>9,.1f} µs{peer[1]:>7,.1f} µs"
        )


main()
