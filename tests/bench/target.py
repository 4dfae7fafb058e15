"""The other side of a benchmark: nginx when it is installed, else our emulator; both answer as MPNS and Web Push do."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.emulator import EmulatorProcess
from tests.rig.world import free_port
from tests.waiting import ending, until

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 1000000; client_max_body_size 16k;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location = /token {{ return 200 '{{"access_token":"bench","token_type":"bearer","expires_in":86400}}'; }}
    location /wpush/ {{
      add_header Location http://$http_host/m/$request_id; add_header TTL $http_ttl; return 201;
    }}
    location / {{
      add_header X-NotificationStatus Received; add_header X-DeviceConnectionStatus Connected;
      add_header X-SubscriptionStatus Active; return 200;
    }}
  }}
}}
"""


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """Yield (host:port, name) of a server that accepts every push."""
    binary = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else None)
    if binary is None:
        with EmulatorProcess() as emulator:
            yield emulator.url.removeprefix("http://"), "emulator"
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        port = free_port()
        file = Path(folder) / "nginx.conf"
        file.write_text(CONFIGURATION.format(folder=folder, port=port))
        command = [binary, "-c", str(file), "-p", folder]
        with ending(subprocess.Popen(command, stderr=subprocess.DEVNULL), within=10) as process:
            try:
                until(lambda: _answers(f"http://127.0.0.1:{port}/"), 10, "nginx to answer", saw=process.poll)
                yield f"127.0.0.1:{port}", "nginx"
            finally:
                process.terminate()


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1):
        return True
    return False
