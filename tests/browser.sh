#!/usr/bin/env bash
# Serves the small demo with the built program and clicks through it in headless Chromium. Usage: tests/browser.sh PROGRAM
set -u
program=$1
place=$(mktemp -d)
port=${PORT:-18080}
server=
trap 'kill $server 2>/dev/null; rm -rf "$place"' EXIT
"$program" demo --preset small --data "$place/city.gpkg" || { echo "0 passed, 1 failed"; exit 1; }
"$program" serve --data "$place/city.gpkg" --listen "127.0.0.1:$port" &
server=$!
for _ in $(seq 100); do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  sleep 0.1
done
if BASE_URL="http://127.0.0.1:$port" npm --prefix web-viewer run -s e2e; then
  echo "1 passed, 0 failed"
else
  echo "0 passed, 1 failed"
  exit 1
fi
