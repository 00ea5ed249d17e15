"""What must hold behind a proxy, and prints nothing when it does. Usage: behind_nginx.py BASE_URL SERVER_URL"""

import json
import math
import sys
import threading
import urllib.error
import urllib.request

base, server = (url.rstrip("/") for url in sys.argv[1:3])
faults = []


def ask(url, headers=None, data=None):
    request = urllib.request.Request(url, headers=headers or {}, data=data)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def check(what, truth, told=""):
    if not truth:
        faults.append(f"{what}: {told}")


# Links.
tilejson = json.loads(ask(f"{base}/tiles/grids")[2])
check("TileJSON", all(url.startswith(f"{base}/tiles/grids/") for url in tilejson["tiles"]), tilejson["tiles"])
page = json.loads(ask(f"{base}/api/v1/facilities?limit=10")[2])
check("next", str(page.get("next", "")).startswith(f"{base}/api/v1/facilities?"), page.get("next"))
check("next leads on", ask(page["next"])[0] == 200, page["next"])
landing = json.loads(ask(f"{base}/ogc")[2])
check("OGC links", all(link["href"].startswith(base) for link in landing["links"]), landing["links"])
style = json.loads(ask(f"{base}/styles/dark.json")[2])
check("styles", base in json.dumps(style["sources"]), style["sources"])

# A tile of now: compressed once, by the server; 304 by its ETag; never kept by nginx.
west, south, east, north = tilejson["bounds"]
zoom = 12
column = int(((west + east) / 2 + 180) / 360 * 2**zoom)
row = int((1 - math.asinh(math.tan(math.radians((south + north) / 2))) / math.pi) / 2 * 2**zoom)
paths = [f"/tiles/regions/{zoom}/{x}/{y}" for x in range(column - 1, column + 2) for y in range(row - 1, row + 2)]
gzip = {"Accept-Encoding": "gzip"}
path = next(path for path in paths if ask(server + path)[0] == 200)
for _ in range(2):
    status, headers, body = ask(base + path, gzip)
    check("a tile", status == 200 and body == ask(server + path, gzip)[2], status)
    check("its encoding", headers["Content-Encoding"] == "gzip", headers)
    check("is not kept", headers["X-Cache"] in ("MISS", "EXPIRED", "BYPASS"), headers["X-Cache"])
tag = headers["ETag"]
check("ETag", tag == ask(server + path, gzip)[1]["ETag"], tag)
check("304", ask(base + path, {**gzip, "If-None-Match": tag})[0] == 304)

# A tile of an epoch by number: kept, each encoding for itself.
first = ask(f"{base}{path}?epoch=1", gzip)
again = ask(f"{base}{path}?epoch=1", gzip)
check("immutable", "immutable" in first[1]["Cache-Control"], first[1])
check("is kept", again[1]["X-Cache"] == "HIT" and again[2] == first[2], again[1]["X-Cache"])
plain = ask(f"{base}{path}?epoch=1", {"Accept-Encoding": "identity"})
check("as it was asked for", plain[1]["Content-Encoding"] is None and plain[2] != first[2], plain[1])

# An event comes while the stream stays open.
told = threading.Event()


def listen():
    revision = json.loads(ask(f"{base}/api/v1/meta")[2])["revision"]
    with urllib.request.urlopen(f"{base}/api/v1/events?kinds=tiles&since={revision}", timeout=30) as stream:
        opened.set()
        for line in stream:
            if line.startswith(b"event: tiles"):
                told.set()
                return


opened = threading.Event()
threading.Thread(target=listen, daemon=True).start()
check("the stream opens", opened.wait(20))
facility = {"position": [(west + east) / 2, (south + north) / 2], "crs": "wgs84", "category": "01050"}
status, _, body = ask(f"{base}/api/v1/facilities", {"Content-Type": "application/json"}, json.dumps(facility).encode())
check("a facility", status == 201, body)
check("its event comes at once", told.wait(20))

print("\n".join(faults))
sys.exit(bool(faults))
