"""A Helm chart repository for tests, over HTTP on this machine."""

import subprocess
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from toolchain import bring, catalogue
from toolchain.download import Network


@dataclass(frozen=True, kw_only=True)
class ChartRepository:
    """Its address, and the folder that is served there."""

    url: str
    folder: Path
    helm: Path

    def publish(self, name: str, version: str, files: Mapping[str, str]) -> None:
        """Pack a chart of these files, by path below the chart, and add it to the index."""
        source = self.folder.parent / f"{name}-{version}" / name
        chart = {"apiVersion": "v2", "name": name, "version": version}
        for path, text in {"Chart.yaml": yaml.safe_dump(chart), **files}.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(text)
        self._run("package", str(source), f"--destination={self.folder}")
        self._run("repo", "index", str(self.folder), f"--url={self.url}")

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([self.helm, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}"


@contextmanager
def chart_repository(directory: Path) -> Generator[ChartRepository]:
    """An empty one, until the block ends. Raises ToolchainError where helm cannot be had."""
    (helm,) = bring.ensure([catalogue.HELM], Network(), quiet=True)
    (folder := directory / "charts").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield ChartRepository(url=f"http://127.0.0.1:{server.server_port}", folder=folder, helm=helm.path)
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
