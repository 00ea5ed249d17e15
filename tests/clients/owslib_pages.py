"""Pages through every OGC collection with owslib and prints "N passed, N failed". Usage: owslib_pages.py BASE_URL"""

import json
import sys
import urllib.request

from owslib.ogcapi.features import Features
from programs import Checks

base = sys.argv[1].rstrip("/")
check = Checks()


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


service = Features(f"{base}/ogc")
conformance = service.conformance()["conformsTo"]
for part in ["ogcapi-features-1/1.0/conf/core", "ogcapi-features-1/1.0/conf/geojson", "ogcapi-features-2/1.0/conf/crs"]:
    check(part, any(part in uri for uri in conformance))
check("the API document", service.api()["openapi"].startswith("3.0"))
collections = service.feature_collections()
check("collections", sorted(collections) == ["buildings", "cases", "facilities", "grids", "regions"], collections)
counts = get(f"{base}/api/v1/meta")["counts"]

for name in collections:
    about = service.collection(name)
    check(f"{name}: links and extent", about["id"] == name and about["links"] and about["extent"])
    limit = 700 if name == "facilities" else 7
    page = service.collection_items(name, limit=limit)
    total, ids, pages = page["numberMatched"], [], 0
    while True:
        pages += 1
        ids += [feature["id"] for feature in page["features"]]
        check(f"{name}: page {pages}", page["numberReturned"] == len(page["features"]) <= limit) if pages < 3 else None
        onward = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not onward or pages > 1000:
            break
        if not onward[0].startswith(base):
            check(f"{name}: next begins with the base URL", False, onward[0])
            break
        page = get(onward[0])
    check(f"{name}: every feature once", len(ids) == len(set(ids)) == total, f"{len(ids)} {len(set(ids))} {total}")
    check(f"{name}: several pages", pages > 1, pages)
    one = service.collection_item(name, ids[0])
    check(f"{name}: one feature", one["id"] == ids[0] and one["type"] == "Feature")
    box = service.collection_items(name, bbox=[122.4, 30.6, 122.6, 30.8], limit=10000)
    check(f"{name}: by box", 0 <= box["numberMatched"] <= total)

# Many lists, one city.
for name, key in [("grids", "grids"), ("facilities", "facilities")]:
    if key in counts:
        told = counts[key]["total"] if isinstance(counts[key], dict) else counts[key]
        check(f"{name}: as many as the city has", service.collection_items(name, limit=1)["numberMatched"] == told, told)
print(f"{check.passed} passed, {check.failed} failed")
sys.exit(check.failed > 0)
