#!/usr/bin/env bash
# Serves the small demo with the built program and uses it in headless Chromium: a click on a grid, an operator's session, the keyboard, a
# server that goes and comes back, an idle wall, a facility that another client moves, maps and things of others, log-ins, parts of a city, where a device is. Areas, the sheet of a grid and eight tabs are played against the viewer's mock. Usage: tests/browser.sh PROGRAM
set -u
program=$(realpath "$1")
place=$(mktemp -d)
port=${PORT:-18080}
server=
trap 'kill $server 2>/dev/null; rm -rf "$place"' EXIT
"$program" demo --preset small --data "$place/city.gpkg" || { echo "0 passed, 1 failed"; exit 1; }
cp "$place/city.gpkg" "$place/lost.gpkg"
"$program" serve --data "$place/city.gpkg" --listen "127.0.0.1:$port" &
server=$!
for _ in $(seq 100); do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  sleep 0.1
done
passed=0
failed=0
for story in click operator operate lost others login scope whereabouts still moved areas sheet live; do
  begun=$SECONDS
  if BASE_URL="http://127.0.0.1:$port" PROGRAM="$program" DATA="$place/lost.gpkg" LOST_PORT=$((port + 1)) timeout 170 node "web-viewer/tests/e2e/$story.mjs"; then
    passed=$((passed + 1))
    echo "-- $story: ok, $((SECONDS - begun)) s"
  else
    failed=$((failed + 1))
    echo "-- $story: FAILED, $((SECONDS - begun)) s"
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
