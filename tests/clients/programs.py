"""What the programs here share: checks; a PostgreSQL with PostGIS in a temporary folder, servers on free ports; and
which tile holds a place."""

import math
import os
import shutil
import socket
import subprocess
import sys
import time


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout


class Checks:
    """Counts what held, and says what did not."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, what, truth, told=""):
        if truth:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {what} {told}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A program that listens; killed at the end."""

    def __init__(self, port, *words, **more):
        self.port = port
        self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    sys.exit(f"{words[0]} ended with {self.process.returncode}")
                time.sleep(0.1)
        sys.exit(f"{words[0]} does not listen")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


class Postgres:
    """A throw-away PostgreSQL with PostGIS."""

    def __init__(self, folder):
        self.bin = sorted(path for path in (f"/usr/lib/postgresql/{n}/bin" for n in range(14, 20)) if os.path.isdir(path))[-1]
        self.folder, self.port = os.path.join(folder, "pg"), free_port()
        os.makedirs(self.folder)
        # postgres refuses to run as root.
        self.user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres")
            os.chmod(folder, 0o755)
        run(*self.user, f"{self.bin}/initdb", "--no-sync", "-A", "trust", "-U", "postgres", "-D", f"{self.folder}/data", cwd="/")
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1 -c shared_buffers=1GB -c work_mem=64MB -c fsync=off"
        run(*self.user, f"{self.bin}/pg_ctl", "-w", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-o", options, "start", cwd="/")
        self.sql("CREATE EXTENSION postgis")

    @property
    def url(self):
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def sql(self, text):
        return run("psql", self.url, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text)

    def stop(self):
        subprocess.run([*self.user, f"{self.bin}/pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop"], capture_output=True, cwd="/", check=False)


def tile_of(lon, lat, zoom):
    n = 1 << zoom
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return f"{zoom}/{int((lon + 180) / 360 * n)}/{int(y * n)}"
