"""A person's server with nothing but the standard library, for every account can run it: `little_server.py PORT HELD`.

It begins to listen when the file HELD is not there (any more), answers every request with its process id, and every WebSocket with what
that says (RFC 6455; short frames only).
"""

import base64
import hashlib
import http.server
import os
import sys
import time
from pathlib import Path

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("upgrade", "").lower() == "websocket":
            self._echo()
            return
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _echo(self) -> None:
        key = self.headers["sec-websocket-key"].encode()
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "upgrade")
        self.send_header("sec-websocket-accept", base64.b64encode(hashlib.sha1(key + GUID).digest()).decode())
        self.end_headers()
        while head := self.rfile.read(2):
            mask, said = self.rfile.read(4), self.rfile.read(head[1] & 0x7F)
            said = bytes(byte ^ mask[place % 4] for place, byte in enumerate(said))
            self.wfile.write(bytes((head[0], len(said))) + said)
            if head[0] & 0x0F == 8:  # close
                break
        self.close_connection = True


if __name__ == "__main__":
    while Path(sys.argv[2]).exists():
        time.sleep(0.05)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
