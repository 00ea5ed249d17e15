#!/usr/bin/env bash
# Gets the peers, as far as the package registries have them, and runs run.py. What is there already is used.
set -euo pipefail
cd "$(dirname "$0")/../.."
missing=()
command -v wrk > /dev/null || missing+=(wrk)
command -v ogr2ogr > /dev/null || missing+=(gdal-bin)
compgen -G '/usr/share/postgresql/*/extension/postgis.control' > /dev/null || missing+=(postgresql postgis "postgresql-$(apt-cache depends postgresql 2> /dev/null | sed -nE 's/.*Depends: postgresql-([0-9]+)$/\1/p' | head -1)-postgis-3")
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    "${as_root[@]}" apt-get update -q && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -qy --no-install-recommends "${missing[@]}"
fi
if ! command -v "${MARTIN:-martin}" > /dev/null; then
    cargo install martin --version 1.14.0 --locked --no-default-features --features postgres,mbtiles,pmtiles --root target/peers
    export MARTIN=$PWD/target/peers/bin/martin
fi
[ -d target/peers/python ] || python3 -m venv target/peers/python
target/peers/python/bin/pip install -q 'duckdb==1.5.5' 'duckdb-extension-spatial==1.5.5'
target/peers/python/bin/python benches/peers/run.py
