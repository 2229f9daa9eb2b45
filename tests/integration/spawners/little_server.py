"""A server that starts at once: listens where the hub says, tells about itself, and does what a path asks. Standard library only."""

import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

BIND = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
HOG: list[bytearray] = []
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
print(flush=True)
time.sleep(600)
"""
DAEMON = f"""
import os, sys
if os.fork(): os._exit(0)
os.setsid()
print(os.getpid(), flush=True)
os.execve(sys.executable, [sys.executable, '-c', {STUBBORN!r}], {{}})
"""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Talk(BaseHTTPRequestHandler):
    def address_string(self) -> str:
        return "proxy"

    def do_GET(self) -> None:
        word, _, rest = self.path.removeprefix(BIND.path).partition("/")
        answer = getattr(self, f"on_{word}", self.on_about)(rest)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if word == "end":
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            os._exit(int(rest))

    def on_about(self, rest: str) -> object:
        mask = os.umask(0o077)
        os.umask(mask)
        return {
            "pid": os.getpid(),
            "uid": os.getresuid(),
            "gid": os.getresgid(),
            "groups": os.getgroups(),
            "cwd": str(Path.cwd()),
            "umask": mask,
            "env": dict(os.environ),
            "argv": sys.argv[1:],
            "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        }

    def on_kernels(self, rest: str) -> object:
        """What Jupyter has below it: a child in a session of its own, and a daemon that has cut every tie it can."""
        kernel = subprocess.Popen([sys.executable, "-c", STUBBORN], start_new_session=True, stdout=subprocess.PIPE)
        assert kernel.stdout is not None
        kernel.stdout.readline()
        daemon = subprocess.Popen([sys.executable, "-c", DAEMON], stdout=subprocess.PIPE)
        assert daemon.stdout is not None
        number = int(daemon.stdout.readline())
        daemon.stdout.readline()
        return [kernel.pid, number]

    def on_hog(self, rest: str) -> object:
        HOG.append(bytearray(b"x") * (int(rest) * 1024 * 1024))
        return len(HOG)

    def on_say(self, rest: str) -> object:
        say(unquote(rest))
        return None

    def on_flood(self, rest: str) -> object:
        for number in range(int(rest)):
            say(f"{number} {1000 * 'x'}")
        return None


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def server_bind(self) -> None:
        os.umask(0o177)
        super().server_bind()
        os.umask(0o077)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        return super().get_request()[0], ("unix", 0)


class TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True


def main() -> None:
    say(f"the little server begins {os.environ.get('JUPYTERHUB_USER')}")
    if "--stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "--fail" in sys.argv:
        sys.exit(int(sys.argv[sys.argv.index("--fail") + 1]))
    if BIND.scheme == "http+unix":
        with UnixServer(unquote(BIND.netloc), Talk) as server:
            server.serve_forever()
    else:
        with TcpServer((BIND.hostname or "", BIND.port or 0), Talk) as server:
            server.serve_forever()


if __name__ == "__main__":
    main()
