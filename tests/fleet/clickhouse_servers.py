"""Servers of ClickHouse (Debian's) on this machine, with folders and ports of their own."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from typing_extensions import Self

from tests.ports import free_port

SERVER = shutil.which("clickhouse-server", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
HOST = "127.0.0.1"
_LONGEST = 60
_SETPRIV = shutil.which("setpriv")
_WITH_US = [_SETPRIV, "--pdeathsig", "KILL"] if _SETPRIV else []
"""Starts a program that the kernel kills when the thread that started it ends, however it does.

Tests that are ended by SIGTERM or SIGKILL come to no `finally`.
"""

_CONFIG = """<yandex>
  <logger><level>warning</level><log>{folder}/log</log><errorlog>{folder}/errors</errorlog></logger>
  <http_port>{http}</http_port><tcp_port>{tcp}</tcp_port>
  <interserver_http_port>{inter}</interserver_http_port>
  <interserver_http_host>127.0.0.1</interserver_http_host>
  <listen_host>127.0.0.1</listen_host>
  <path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path>
  <user_files_path>{folder}/files/</user_files_path>
  <format_schema_path>{folder}/formats/</format_schema_path>
  <users_config>{folder}/users.xml</users_config>
  <default_profile>default</default_profile><default_database>default</default_database>
  <mark_cache_size>268435456</mark_cache_size>
  <max_server_memory_usage_to_ram_ratio>0.3</max_server_memory_usage_to_ram_ratio>
  <timezone>UTC</timezone>
  <compression><case><min_part_size>0</min_part_size>
    <min_part_size_ratio>0</min_part_size_ratio><method>zstd</method></case></compression>
  <remote_servers>{clusters}</remote_servers>
</yandex>
"""

_USERS = """<yandex>
  <profiles><default>
    <max_memory_usage>8000000000</max_memory_usage><max_threads>2</max_threads>
    <connect_timeout_with_failover_ms>1000</connect_timeout_with_failover_ms>
  </default></profiles>
  <users><default><password>{password}</password><networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile><quota>default</quota></default></users>
  <quotas><default/></quotas>
</yandex>
"""


class Server:
    """One server, which can be killed and started again on the same folder and ports.

    It ends at the latest with the thread that has started it.
    """

    def __init__(self, folder: Path, password: str = "") -> None:
        self.folder = folder
        self.password = password
        self.http, self.tcp, self.inter = free_port(), free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"{HOST}:{self.http}"

    def configure(self, clusters: str = "") -> None:
        for name in ("data", "tmp", "files", "formats"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        config = _CONFIG.format(clusters=clusters, **vars(self))
        (self.folder / "config.xml").write_text(config)
        (self.folder / "users.xml").write_text(_USERS.format(password=self.password))

    def start(self) -> None:
        assert SERVER is not None, "apt-get install clickhouse-server"
        with (self.folder / "stdout").open("ab") as output:
            self.process = subprocess.Popen(
                [*_WITH_US, SERVER, f"--config-file={self.folder}/config.xml"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it answers."""
        assert self.process is not None
        until = time.monotonic() + _LONGEST
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "stdout").read_text()[-2000:]
            assert time.monotonic() < until, "the server does not answer"
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)

    def answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.http, timeout=2)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().read() == b"Ok.\n"
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        """Kill it as a machine dies."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def ask(self, sql: str, database: str = "default") -> str:
        connection = http.client.HTTPConnection(HOST, self.http, timeout=60)
        try:
            connection.request("POST", f"/?database={database}", sql.encode())
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status == 200, text
            return text
        finally:
            connection.close()


class Cluster:
    """Two shards; the first one has two replicas, to which `Distributed` tables write."""

    NAME = "fleet"

    def __init__(self, folder: Path, shape: tuple[int, ...] = (2, 1)) -> None:
        self.shards = [
            [Server(folder / f"shard{shard}{'ab'[each]}") for each in range(replicas)]
            for shard, replicas in enumerate(shape)
        ]
        self.servers = [server for shard in self.shards for server in shard]
        self._started = ExitStack()
        clusters = "".join(
            "<shard><internal_replication>false</internal_replication>"
            + "".join(
                f"<replica><host>{HOST}</host><port>{server.tcp}</port></replica>"
                for server in shard
            )
            + "</shard>"
            for shard in self.shards
        )
        for server in self.servers:
            server.configure(f"<{self.NAME}>{clusters}</{self.NAME}>")

    @property
    def url(self) -> str:
        hosts = ",".join(server.host for server in self.servers)
        return f"clickhouse://{hosts}/default?cluster={self.NAME}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for server in self.servers:
                stack.callback(server.kill)
                server.start()
            for server in self.servers:
                server.wait()
            self._started = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()
