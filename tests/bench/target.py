"""The other side of a benchmark: nginx when it is installed, else our emulator; both answer as MPNS and Web Push do."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from devices.emulator import certificates
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
  server {{
    listen 127.0.0.1:{secure} ssl http2;
    http2_max_concurrent_streams 1000; http2_max_requests 10000000;
    ssl_certificate {folder}/tls/server.pem; ssl_certificate_key {folder}/tls/server.key;
    location = /token {{ return 200 '{{"access_token":"bench","token_type":"Bearer","expires_in":3599}}'; }}
    location /v1/ {{
      default_type application/json;
      return 200 '{{"name":"projects/rig-project/messages/$request_id"}}';
    }}
    location /3/ {{ add_header apns-id $http_apns_id; return 200; }}
  }}
}}
"""


class Place(NamedTuple):
    """A server that accepts every push: host:port, what it is, host:port with TLS and HTTP/2, whom to trust for it."""

    host: str
    name: str
    secure: str = ""
    authority: str = ""


@contextmanager
def server() -> Iterator[Place]:
    """Yield where a server is that accepts every push."""
    binary = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else None)
    if binary is None:
        with EmulatorProcess() as emulator:
            yield Place(emulator.url.removeprefix("http://"), "emulator")
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        port, secure = free_port(), free_port()
        tls = certificates.provide(Path(folder) / "tls")
        file = Path(folder) / "nginx.conf"
        file.write_text(CONFIGURATION.format(folder=folder, port=port, secure=secure))
        command = [binary, "-c", str(file), "-p", folder]
        with ending(subprocess.Popen(command, stderr=subprocess.DEVNULL), within=10) as process:
            try:
                until(lambda: _answers(f"http://127.0.0.1:{port}/"), 10, "nginx to answer", saw=process.poll)
                yield Place(f"127.0.0.1:{port}", "nginx", f"127.0.0.1:{secure}", str(tls.authority))
            finally:
                process.terminate()


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1):
        return True
    return False
