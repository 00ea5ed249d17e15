#!/usr/bin/env bash
# Other people's clients on the small demo: OWSLib pages through the OGC collections, schemathesis asks everything that /openapi.json
# describes, nginx stands in front as docs/nginx.md has it; ogr2ogr and Martin read the city in PostGIS. Usage: tests/clients/run.sh PROGRAM
set -u
program=$(realpath "$1")
cd "$(dirname "$0")" || exit 1
root=$(realpath ../..)
place=$(mktemp -d)
port=${PORT:-18090}
servers=()
trap 'kill "${servers[@]}" 2>/dev/null; [ -f "$place/nginx.pid" ] && kill "$(cat "$place/nginx.pid")" 2>/dev/null; rm -rf "$place"' EXIT
passed=0
failed=0

part() {
  local name=$1 begun=$SECONDS
  shift
  if "$@"; then
    passed=$((passed + 1))
    echo "-- $name: ok, $((SECONDS - begun)) s"
  else
    failed=$((failed + 1))
    echo "-- $name: FAILED, $((SECONDS - begun)) s"
  fi
}

# Waits until a port is listened on.
listens() {
  for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
    sleep 0.1
  done
  echo "nobody listens on port $1"
  return 1
}

# The versions of requirements.txt, from the registry, once.
tools() {
  local made="$root/target/clients"
  cmp -s requirements.txt "$made/installed.txt" && return 0
  rm -rf "$made"
  /usr/bin/python3 -m venv "$made" && "$made/bin/pip" install -q --disable-pip-version-check -r requirements.txt && cp requirements.txt "$made/installed.txt"
}

# The version that `make peers` measures, from the registry, once; built quickly, since nobody measures it here.
martin() {
  [ -n "${MARTIN:-}" ] || [ -x "$root/target/martin/bin/martin" ] && return 0
  CARGO_TARGET_DIR="$root/target/martin/build" cargo install -q martin --version 1.14.0 --locked --debug --no-default-features --features postgres \
    --root "$root/target/martin" && rm -rf "$root/target/martin/build"
}

asked() {
  SCHEMATHESIS_HOOKS=hooks PYTHONPATH=. timeout 180 "$root/target/clients/bin/schemathesis" --config-file schemathesis.toml \
    run "http://127.0.0.1:$port/openapi.json" --max-examples 25 --no-color
}

"$program" demo --preset small --data "$place/city.gpkg" >/dev/null || { echo "0 passed, 1 failed"; exit 1; }
"$program" serve --data "$place/city.gpkg" --listen "127.0.0.1:$port" --log warn &
servers+=($!)
listens "$port" || { echo "0 passed, 1 failed"; exit 1; }
part "owslib" /usr/bin/python3 owslib_pages.py "http://127.0.0.1:$port"
part "schemathesis is there" tools
part "schemathesis" asked

# Behind nginx, with the configuration of the page: another city, since the one above was written to.
front=$((port + 1))
behind=$((port + 2))
"$program" demo --preset small --data "$place/front.gpkg" >/dev/null
"$program" serve --data "$place/front.gpkg" --listen "127.0.0.1:$behind" --base-url "http://127.0.0.1:$front" --log warn &
servers+=($!)
listens "$behind"
# The block of the page, with the ports of this test.
{
  echo "user $(id -un); daemon on; pid $place/nginx.pid; error_log $place/error.log; events {}"
  echo "http { access_log off; client_body_temp_path $place/body; proxy_temp_path $place/proxy; fastcgi_temp_path $place/f; uwsgi_temp_path $place/u; scgi_temp_path $place/s;"
  sed -n '/^```nginx$/,/^```$/p' "$root/docs/nginx.md" | sed '/^```/d' |
    sed "s#listen 443 ssl;#listen 127.0.0.1:$front;#; s#127.0.0.1:8080#127.0.0.1:$behind#g; /ssl_certificate/d; s#/var/cache/nginx/wangge#$place/cache#"
  echo "}"
} > "$place/nginx.conf"
part "nginx starts" env PATH="$PATH:/usr/sbin" nginx -p "$place" -e "$place/error.log" -c "$place/nginx.conf"
listens "$front"
part "owslib behind nginx" /usr/bin/python3 owslib_pages.py "http://127.0.0.1:$front"
part "behind nginx" /usr/bin/python3 behind_nginx.py "http://127.0.0.1:$front" "http://127.0.0.1:$behind"
part "Martin is there" martin
part "the city in PostGIS" /usr/bin/python3 database_views.py "$program" "${MARTIN:-$root/target/martin/bin/martin}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
