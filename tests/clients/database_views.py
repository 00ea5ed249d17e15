"""A city in PostGIS as others read it: ogr2ogr takes the views as the city has them, Martin serves them as tiles. Says what is
wrong. Usage: database_views.py PROGRAM MARTIN"""

import csv
import gzip
import json
import os
import sys
import tempfile
import urllib.request

from programs import Checks, Postgres, Server, free_port, run, tile_of

program, martin = (os.path.abspath(path) for path in sys.argv[1:3])
check = Checks()


def features(text):
    return {feature["properties"]["code"]: feature for feature in json.loads(text)["features"]}


def near(one, other):
    """Whether two lists of positions say the same to a tenth of a lattice unit; a point of OGR may have a height."""
    if isinstance(one, (int, float)):
        return abs(one - other) < 1e-8
    return len(one) == len(other) and all(map(near, one, other))


def ring_sets(geometry):
    """Rings as sets of positions: where a ring begins is no matter."""
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return sorted(sorted({(round(lon, 7), round(lat, 7)) for lon, lat in ring}) for polygon in polygons for ring in polygon)


def tile(base, place):
    with urllib.request.urlopen(urllib.request.Request(f"{base}/{tile_of(*place, 14)}", headers={"accept-encoding": "gzip"}), timeout=30) as answer:
        body = answer.read()
        return gzip.decompress(body) if answer.headers.get("content-encoding") == "gzip" else body


with tempfile.TemporaryDirectory() as folder:
    database = Postgres(folder)
    try:
        city = f"{folder}/city.gpkg"
        run(program, "demo", "--preset", "small", "--data", city)
        run(program, "copy", "--from", city, "--to", database.url)
        source = f"PG:host=127.0.0.1 port={database.port} user=postgres dbname=postgres schemas=wangge"

        run(program, "export", "geojson", f"{folder}/grids.geojson", "--data", city, "--layers", "grids")
        ours = features(open(f"{folder}/grids.geojson", encoding="utf-8").read())
        theirs = features(run("ogr2ogr", "-f", "GeoJSON", "-lco", "COORDINATE_PRECISION=7", "/vsistdout/", source, "map_grids"))
        check("ogr2ogr reads the grids", ours.keys() == theirs.keys() and len(ours) > 50, f"{len(ours)} and {len(theirs)}")
        for code, grid in ours.items():
            other = theirs.get(code)
            check(f"grid {code}", other and ring_sets(grid["geometry"]) == ring_sets(other["geometry"]) and other["properties"]["name"] == grid["properties"]["name"])

        run(program, "export", "csv", f"{folder}/facilities.csv", "--data", city, "--layers", "facilities")
        with open(f"{folder}/facilities.csv", encoding="utf-8-sig", newline="") as file:
            ours_of = {row["code"]: (float(row["lon"]), float(row["lat"]), row["category"]) for row in csv.DictReader(file)}
        theirs_of = features(run("ogr2ogr", "-f", "GeoJSON", "-lco", "COORDINATE_PRECISION=7", "/vsistdout/", source, "map_facilities"))
        check("ogr2ogr reads the facilities", ours_of.keys() == theirs_of.keys() and len(ours_of) > 5000, f"{len(ours_of)} and {len(theirs_of)}")
        other = {code: (row["geometry"]["coordinates"], row["properties"]["category"]) for code, row in theirs_of.items()}
        wrong = [code for code, (lon, lat, *said) in ours_of.items() if code not in other or not near([lon, lat], other[code][0][:2]) or said != list(other[code][1:])]
        check("every facility where it is, of its category", not wrong, wrong[:3])
        placed = [row for row in theirs_of.values() if row["properties"]["grid"] in ours]
        check("in a grid", len(placed) > 5000, len(placed))
        for view in ("map_regions", "map_voids", "map_cases", "map_addresses", "map_organizations", "map_buildings"):
            count = int(database.sql(f"SELECT count(*) FROM wangge.{view}"))
            read = json.loads(run("ogr2ogr", "-f", "GeoJSON", "/vsistdout/", source, view))["features"]
            check(f"ogr2ogr reads {view}", len(read) == count and (count > 0 or view == "map_voids"), f"{len(read)} of {count}")

        config, port = f"{folder}/martin.yaml", free_port()
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"postgres:\n  connection_string: '{database.url}'\n  auto_publish:\n    tables:\n      from_schemas: wangge\n      source_id_format: '{{table}}'\n    functions: false\n")
        with Server(port, martin, "--config", config, "--listen-addresses", f"127.0.0.1:{port}"):
            base = f"http://127.0.0.1:{port}"
            with urllib.request.urlopen(f"{base}/catalog", timeout=30) as answer:
                tiles = json.load(answer)["tiles"]
            check("Martin finds the views by itself", {"map_grids", "map_regions", "map_facilities", "map_cases"} <= tiles.keys(), list(tiles))
            # Text stands in a tile as it is (MVT 2.1, 4.1): a code that is in one is found without decoding it.
            unseen = [code for code, grid in ours.items() if code.encode() not in tile(f"{base}/map_grids", theirs[code]["geometry"]["coordinates"][0][0][0])]
            check("Martin's tiles have every grid", not unseen, unseen[:3])
            some = list(ours_of.items())[::50]
            unseen = [code for code, (lon, lat, *_) in some if code.encode() not in tile(f"{base}/map_facilities", (lon, lat))]
            check("and facilities, each where it is", not unseen and len(some) > 100, unseen[:3])
    finally:
        database.stop()

print(f"views in PostGIS: {check.passed} right, {check.failed} wrong")
sys.exit(check.failed > 0)
