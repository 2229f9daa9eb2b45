"""People who ask without pause, in threads, and note whatever goes wrong."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx2 as httpx
from websockets.sync.client import connect


class Traffic:
    """`complaints` must stay empty; `counts` says how often each was answered."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.counts: dict[str, int] = {}
        self._enough = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open = ExitStack()

    def ask(self, name: str, question: Callable[[], None]) -> None:
        """Again and again; what it raises is a complaint."""

        def run() -> None:
            while not self._enough.is_set():
                try:
                    question()
                except Exception as error:  # noqa: BLE001 - whatever it is, somebody noticed it
                    self.complaints.append(f"{name}: {type(error).__name__}: {error}")
                self.counts[name] = self.counts.get(name, 0) + 1
                self._enough.wait(0.03)

        self.counts[name] = 0
        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def get(
        self, name: str, url: str, *, kept: bool, method: str = "GET", headers: dict[str, str] | None = None, json: dict[str, str] | None = None
    ) -> None:
        """`kept`: over one connection, as browsers do; otherwise each time over a new one."""
        client = self._open.enter_context(httpx.Client(timeout=60, verify=False))
        more = {} if kept else {"connection": "close"}

        def question() -> None:
            answer = client.request(method, url, headers={**(headers or {}), **more}, json=json)
            assert answer.status_code == 200, f"{answer.status_code} {answer.text[:200]}"

        self.ask(name, question)

    def echo(self, name: str, url: str, headers: dict[str, str]) -> None:
        """One WebSocket all the time."""
        socket = self._open.enter_context(connect(url, additional_headers=headers, proxy=None, ping_interval=None))

        def question() -> None:
            number = str(self.counts[name])
            socket.send(number)
            assert socket.recv(timeout=20) == number

        self.ask(name, question)

    def answered(self) -> dict[str, int]:
        return dict(self.counts)

    def stop(self) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(90)
        self._open.close()


@contextmanager
def traffic() -> Iterator[Traffic]:
    """Ends with the context; complaints are looked at there, too."""
    found = Traffic()
    try:
        yield found
    finally:
        found.stop()
    assert not found.complaints, found.complaints[:10]
