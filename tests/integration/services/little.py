"""A managed service of the smallest kind: writes down that it runs, answers, and ends when it is asked to in its own way.

Arguments: a folder, in which each start leaves a file named after its pid, with its environment; and "stubborn" to ignore SIGTERM.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        sys.stdout.write(f"asked for {self.path} with token=abcdefghijklmnop\n")
        if self.path.endswith("/crash"):
            os._exit(3)
        body = f"{os.environ['JUPYTERHUB_SERVICE_NAME']} {os.getpid()}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def main() -> None:
    folder = Path(sys.argv[1])
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    draft.write_text(json.dumps({"env": dict(os.environ), "cwd": str(Path.cwd()), "uid": os.getuid()}))
    draft.rename(folder / str(os.getpid()))
    url = os.environ.get("JUPYTERHUB_SERVICE_URL")
    if url is None:
        signal.pause()
        return
    ThreadingHTTPServer(("127.0.0.1", urlsplit(url).port or 0), Handler).serve_forever()


if __name__ == "__main__":
    main()
