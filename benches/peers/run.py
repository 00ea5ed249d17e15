"""wangge beside its peers on one machine, one data set, one list of questions: `make peers`.

Tiles: Martin from PostGIS and from PMTiles, over HTTP with wrk. Bulk lookup: DuckDB spatial, PostGIS, Tile38 where its program is found.
Runs are interleaved; what is printed is the median of ROUNDS. Answers are compared before anything is timed.

Needs: PostgreSQL with PostGIS and wrk (Debian packages), Martin (`cargo install`), duckdb and duckdb-extension-spatial (PyPI); `run.sh` gets
them. Environment: WANGGE, MARTIN, TILE38 (a program, optional), PRESET (prefecture), POINTS (1000000), ROUNDS (3), SECONDS_EACH (8), TILES (5000).
"""

import csv
import gzip
import http.client
import json
import os
import platform
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/clients"))
from programs import Postgres, Server, free_port, run, tile_of  # pylint: disable=wrong-import-position

WANGGE = os.path.abspath(os.environ.get("WANGGE", "target/release/wangge"))
MARTIN = os.environ.get("MARTIN", "martin")
TILE38 = os.environ.get("TILE38", shutil.which("tile38-server") or "")
PRESET = os.environ.get("PRESET", "prefecture")
POINTS = int(os.environ.get("POINTS", 1_000_000))
ROUNDS = int(os.environ.get("ROUNDS", 3))
SECONDS_EACH = int(os.environ.get("SECONDS_EACH", 8))
HERE = os.path.dirname(os.path.abspath(__file__))
CONNECTIONS = 8
TILES = int(os.environ.get("TILES", 5_000))


def timed(*words, **more):
    begun = time.perf_counter()
    out = run(*words, **more)
    return time.perf_counter() - begun, out


def tile_list(path, places, zooms, count, seed):
    chance = random.Random(seed)
    tiles = [tile_of(*chance.choice(places), chance.choice(zooms)) for _ in range(count)]
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(f"{tile}\n" for tile in tiles))
    return sorted(set(tiles))


def weigh(port, base, tiles):
    """Bytes of some tiles before and after compression."""
    plain = packed = 0
    client = http.client.HTTPConnection("127.0.0.1", port)
    for tile in tiles:
        client.request("GET", base + tile, headers={"Accept-Encoding": "gzip"})
        answer = client.getresponse()
        body = answer.read()
        if answer.status not in (200, 204):
            sys.exit(f"{base}{tile}: {answer.status} {body[:200]}")
        packed += len(body)
        plain += len(gzip.decompress(body)) if answer.headers.get("Content-Encoding") == "gzip" else len(body)
    return plain, packed


def wrk(port, base, listed, seconds=SECONDS_EACH):
    out = run("wrk", "-t", 2, "-c", CONNECTIONS, "-d", f"{seconds}s", "--latency", "-s", f"{HERE}/tiles.lua", f"http://127.0.0.1:{port}", env={**os.environ, "LIST": listed, "BASE": base})
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if wrong:
        sys.exit(f"{base}: {wrong[0]}")

    def milliseconds(percent):
        value, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", out).groups()
        return float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]

    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), milliseconds(50), milliseconds(99)


def tiles(folder, data, database, places):
    print(f"\n## Tiles: requests/s, p50, p99 in ms; {CONNECTIONS} connections, gzip, medians of {ROUNDS} runs of {SECONDS_EACH} s\n")
    for layer in ("grids", "facilities"):
        run(WANGGE, "export", "pmtiles", f"{folder}/{layer}.pmtiles", "--data", data, "--layers", layer)
    lists = {
        "grids z11–14": ("grids", tile_list(f"{folder}/grids.txt", places["grids"], [11, 12, 13, 14], TILES, 1)),
        "facilities z14–16": ("facilities", tile_list(f"{folder}/facilities.txt", places["facilities"], [14, 15, 16], TILES, 2)),
    }
    config = f"{folder}/martin.yaml"
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"postgres:\n  connection_string: '{database.url}'\n  auto_publish: false\n  tables:\n")
        for table, columns in (("grids", ("code", "name", "kind", "parent")), ("facilities", ("id", "category", "state", "name"))):
            file.write(f"    {table}:\n      schema: public\n      table: {table}\n      srid: 4326\n      geometry_column: geom\n      id_column: gid\n      properties:\n")
            file.writelines(f"        {column}: {'int4' if column == 'id' else 'text'}\n" for column in columns)
        file.write("pmtiles:\n  sources:\n")
        file.writelines(f"    packed_{layer}: {folder}/{layer}.pmtiles\n" for layer in ("grids", "facilities"))
    rows = []
    for cached in (False, True):
        ports = [free_port(), free_port()]
        cache = [] if cached else ["--tile-cache-mb", 0]
        martin_cache = [] if cached else ["--cache-size", 0]
        with Server(ports[0], WANGGE, "serve", "--data", data, "--listen", f"127.0.0.1:{ports[0]}", "--log", "warn", *cache), Server(
            ports[1], MARTIN, "--config", config, "--listen-addresses", f"127.0.0.1:{ports[1]}", *martin_cache
        ):
            for name, (layer, distinct) in lists.items():
                listed = f"{folder}/{layer}.txt"
                who = [("wangge", ports[0], f"/tiles/{layer}/"), ("Martin, PostGIS", ports[1], f"/{layer}/"), ("Martin, PMTiles", ports[1], f"/packed_{layer}/")]
                if cached:
                    for _, port, base in who:
                        weigh(port, base, distinct)
                else:
                    some = random.Random(3).sample(distinct, min(200, len(distinct)))
                    sizes = {peer: weigh(port, base, some) for peer, port, base in who}
                    print(f"bytes of {len(some)} tiles of {name}: " + "; ".join(f"{peer} {plain:,} plain, {packed:,} gzip" for peer, (plain, packed) in sizes.items()))
                runs = {peer: [] for peer, _, _ in who}
                for _ in range(ROUNDS):
                    for peer, port, base in who:
                        runs[peer].append(wrk(port, base, listed))
                for peer, some in runs.items():
                    rows.append((name, "cached" if cached else "uncached", peer, *(statistics.median(column) for column in zip(*some))))
    print("\n| tiles | cache | | requests/s | p50 | p99 |\n| --- | --- | --- | --- | --- | --- |")
    for name, cache, peer, rate, p50, p99 in rows:
        print(f"| {name} | {cache} | {peer} | {rate:,.0f} | {p50:.2f} | {p99:.2f} |")


def counted(pairs):
    """How many points each grid got, as one number to compare."""
    counts = {}
    for code in pairs:
        counts[code] = counts.get(code, 0) + 1
    return counts


def lookups(folder, data, database, geojson, points):
    print(f"\n## {POINTS:,} points, each into its grid: seconds from file to file, medians of {ROUNDS}\n")
    import duckdb  # pylint: disable=import-outside-toplevel
    import importlib

    spatial = importlib.import_module("duckdb_extension_spatial")
    base = duckdb.connect(config={"threads": 2})
    installed = [os.path.join(root, name) for root, _, names in os.walk(os.path.dirname(spatial.__file__)) for name in names if name.endswith(".duckdb_extension") or name.endswith(".duckdb_extension.gz")]
    base.execute(f"INSTALL '{installed[0]}'" if installed else "INSTALL spatial")
    base.execute("LOAD spatial")
    base.execute(f"CREATE TABLE grids AS SELECT code, geom FROM ST_Read('{geojson}')")
    database.sql("CREATE UNLOGGED TABLE points (n int, lon float8, lat float8)")

    def ours():
        with open(f"{folder}/ours.csv", "w", encoding="utf-8") as out:
            begun = time.perf_counter()
            subprocess.run([WANGGE, "locate", "--data", data, "--crs", "cgcs2000", points], stdout=out, stderr=subprocess.DEVNULL, check=True)
            return time.perf_counter() - begun

    def duck():
        begun = time.perf_counter()
        base.execute(f"COPY (SELECT p.n, g.code FROM read_csv('{points}') p LEFT JOIN grids g ON ST_Intersects(g.geom, ST_Point(p.lon, p.lat))) TO '{folder}/duck.csv' (HEADER)")
        return time.perf_counter() - begun

    def postgis():
        begun = time.perf_counter()
        database.sql("TRUNCATE points")
        with open(points, encoding="utf-8") as file:
            run("psql", database.url, "-X", "-q", "-c", "COPY points FROM STDIN (FORMAT csv, HEADER)", stdin=file)
        with open(f"{folder}/postgis.csv", "w", encoding="utf-8") as out:
            query = "COPY (SELECT p.n, g.code FROM points p LEFT JOIN grids g ON ST_Intersects(g.geom, ST_SetSRID(ST_Point(p.lon, p.lat), 4326))) TO STDOUT (FORMAT csv, HEADER)"
            subprocess.run(["psql", database.url, "-X", "-q", "-c", query], stdout=out, check=True)
        return time.perf_counter() - begun

    who = {"wangge locate": ours, "DuckDB spatial": duck, "PostGIS": postgis}
    runs = {name: [] for name in who}
    for _ in range(ROUNDS):
        for name, once in who.items():
            runs[name].append(once())

    def grids_of(path, column):
        with open(path, encoding="utf-8") as file:
            return counted(row[column] or "" for row in csv.DictReader(file))

    ours_counts = grids_of(f"{folder}/ours.csv", "grid")
    for name, path in (("DuckDB spatial", f"{folder}/duck.csv"), ("PostGIS", f"{folder}/postgis.csv")):
        theirs = grids_of(path, "code")
        differ = sum(abs(ours_counts.get(code, 0) - theirs.get(code, 0)) for code in set(ours_counts) | set(theirs))
        print(f"{name} counts {differ} points of {POINTS:,} elsewhere (points on a border lie in two grids there)")
        assert differ <= POINTS / 10_000, "the answers are the same but for borders"
    print("\n| | seconds | points/s |\n| --- | --- | --- |")
    for name, some in runs.items():
        print(f"| {name} | {statistics.median(some):.2f} | {POINTS / statistics.median(some):,.0f} |")
    if TILE38:
        tile38(folder, geojson, points)


def tile38(folder, geojson, points, count=100_000):
    port = free_port()
    with Server(port, TILE38, "-p", port, "-d", f"{folder}/tile38", "-h", "127.0.0.1"), socket.create_connection(("127.0.0.1", port)) as link:
        reader = link.makefile("rb")

        def send(*words):
            parts = [str(word).encode() for word in words]
            link.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))

        def answer():
            head = reader.readline()
            if head[:1] in b"+-:":
                return head
            if head[:1] == b"$":
                return reader.read(int(head[1:]) + 2)
            return [answer() for _ in range(int(head[1:]))]

        with open(geojson, encoding="utf-8") as file:
            for feature in json.load(file)["features"]:
                send("SET", "grids", feature["properties"]["code"], "OBJECT", json.dumps(feature["geometry"]))
                answer()
        with open(points, encoding="utf-8") as file:
            some = [(row["lon"], row["lat"]) for _, row in zip(range(count), csv.DictReader(file))]
        begun = time.perf_counter()
        for at in range(0, count, 500):
            for lon, lat in some[at : at + 500]:
                send("INTERSECTS", "grids", "IDS", "POINT", lat, lon)
            for _ in some[at : at + 500]:
                answer()
        took = time.perf_counter() - begun
        print(f"| Tile38, {count:,} points, 500 at a time | {took:.2f} | {count / took:,.0f} |")


def main():
    with tempfile.TemporaryDirectory() as folder:
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), platform.processor())
        print(f"{os.cpu_count()} × {cpu}, load {os.getloadavg()[0]:.1f}; {run(WANGGE, '--version').strip()}; {run(MARTIN, '--version').strip()}; preset {PRESET}")
        data = f"{folder}/city.gpkg"
        run(WANGGE, "demo", "--preset", PRESET, "--data", data)
        geojson, facilities = f"{folder}/grids.geojson", f"{folder}/facilities.geojsonseq"
        run(WANGGE, "export", "geojson", geojson, "--data", data, "--layers", "grids")
        run(WANGGE, "export", "geojsonseq", facilities, "--data", data, "--layers", "facilities")
        database = Postgres(folder)
        try:
            print(database.sql("SELECT version() || '; PostGIS ' || postgis_lib_version()").strip())
            for table, path, column in (("grids", geojson, "parent text GENERATED ALWAYS AS (left(code, 12)) STORED"), ("facilities", facilities, "id int GENERATED ALWAYS AS (gid) STORED")):
                url = f"PG:host=127.0.0.1 port={database.port} user=postgres dbname=postgres"
                run("ogr2ogr", "-f", "PostgreSQL", url, path, "-nln", table, "-nlt", "PROMOTE_TO_MULTI" if table == "grids" else "POINT", "-a_srs", "EPSG:4326", "-lco", "GEOMETRY_NAME=geom", "-lco", "FID=gid", "--config", "PG_USE_COPY", "YES")
                # The columns that our tiles have; a city whose facilities have no names has no such column.
                database.sql(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS name text, ADD COLUMN {column}")
                database.sql(f"VACUUM FULL ANALYZE {table}")
            places = {"grids": [], "facilities": []}
            with open(geojson, encoding="utf-8") as file:
                features = json.load(file)["features"]
            for feature in features:
                ring = feature["geometry"]["coordinates"][0]
                places["grids"].append((ring[0] if feature["geometry"]["type"] == "Polygon" else ring[0][0])[:2])
            with open(facilities, encoding="utf-8") as file:
                places["facilities"] = [json.loads(line.lstrip("\x1e"))["geometry"]["coordinates"][:2] for line in file if line.strip("\x1e \n")]
            tiles(folder, data, database, places)
            points = f"{folder}/points.csv"
            chance = random.Random(4)
            west, south = (min(place[axis] for place in places["facilities"]) for axis in (0, 1))
            east, north = (max(place[axis] for place in places["facilities"]) for axis in (0, 1))
            with open(points, "w", encoding="utf-8") as file:
                file.write("n,lon,lat\n")
                file.writelines(f"{n},{chance.uniform(west, east):.7f},{chance.uniform(south, north):.7f}\n" for n in range(POINTS))
            lookups(folder, data, database, geojson, points)
        finally:
            database.stop()


main()
