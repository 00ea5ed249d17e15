#!/usr/bin/env bash
# Runs every test there is and ends with one line over all runners: "N passed, N failed".
set -u
cd "$(dirname "$0")/.."
passed=0
failed=0
log=$(mktemp)
broken=$(mktemp)
trap 'rm -f "$log" "$broken"' EXIT

# What failed, with the first lines of what it said: told again at the end, where it is found without scrolling.
remember() {
  echo "-- $1"
  sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
    /^---- .* stdout ----$/ { left = 12 }
    /^failures:$|^test result:/ { left = 0 }
    left > 0 { left--; print; next }
    /FAILED|^ *(×|✗|FAIL |AssertionError|not ok)|^error(\[|:)|panicked at/ { print }' | grep -v '^$' | head -n 60
}

# Adds what a runner's log says about its tests: cargo's "N passed; N failed", vitest's "N passed", our own "N passed, N failed".
count() {
  local p f
  p=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -E '^(test result:|[[:space:]]*Tests[[:space:]]|[0-9]+ passed, [0-9]+ failed$)' | grep -oE '[0-9]+ passed' | awk '{ n += $1 } END { print n + 0 }')
  f=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -E '^(test result:|[[:space:]]*Tests[[:space:]]|[0-9]+ passed, [0-9]+ failed$)' | grep -oE '[0-9]+ failed' | awk '{ n += $1 } END { print n + 0 }')
  passed=$((passed + p))
  failed=$((failed + f))
  counted=$((p + f))
}

# One step that is a test itself (formatting, lints, a build).
step() {
  local name=$1
  shift
  echo "== $name"
  local begun=$SECONDS
  if "$@"; then
    passed=$((passed + 1))
    echo "-- $name: ok, $((SECONDS - begun)) s"
  else
    failed=$((failed + 1))
    echo "-- $name: FAILED, $((SECONDS - begun)) s" | tee -a "$broken"
  fi
}

# A runner of many tests. A failure that its own summary does not count (it did not build, it crashed) counts as one.
runner() {
  local name=$1
  shift
  echo "== $name"
  local begun=$SECONDS before=$failed status
  "$@" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  count
  if [ "$status" -ne 0 ] && [ "$failed" -eq "$before" ]; then failed=$((failed + 1)); fi
  if [ "$failed" -ne "$before" ]; then remember "$name" >>"$broken"; fi
  if [ "$status" -eq 0 ] && [ "$counted" -eq 0 ]; then
    echo "$name ran no test" | tee -a "$broken"
    failed=$((failed + 1))
  fi
  echo "-- $name: $((SECONDS - begun)) s"
}

packages() {
  local missing=()
  command -v ogrinfo >/dev/null || missing+=(gdal-bin)
  command -v chromium >/dev/null || missing+=(chromium)
  fc-list 2>/dev/null | grep -qi 'noto.*cjk' || missing+=(fonts-noto-cjk)
  /usr/bin/python3 -c 'import owslib' 2>/dev/null || missing+=(python3-owslib)
  /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
  command -v certutil >/dev/null || missing+=(libnss3-tools)
  command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
  compgen -G '/usr/share/postgresql/*/extension/postgis.control' >/dev/null || missing+=(postgresql-postgis)
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
  command -v apt-get >/dev/null || { echo "please install: ${missing[*]}"; return 1; }
  "${as_root[@]}" apt-get update -q && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -qy --no-install-recommends "${missing[@]}"
}

step "packages" packages
step "viewer builds" make -s viewer
step "format" cargo fmt --check
step "the lookup builds alone" cargo check -q --no-default-features
step "lints" cargo clippy -q --all-targets -- -D warnings
runner "cargo test" cargo test --no-fail-fast
step "viewer types" npm --prefix web-viewer run -s check
runner "viewer units" npm --prefix web-viewer run -s test
step "release build" cargo build -q --release
runner "floods" env SLOW=10000 TILES=1000000 WANGGE=target/release/wangge cargo test -q --test it -- http::floods --nocapture
runner "several servers" env WRITES_S=60 WANGGE=target/release/wangge cargo test -q --test it -- http::several --nocapture
runner "browser" bash tests/browser.sh target/release/wangge
runner "clients" bash tests/clients/run.sh target/release/wangge

echo
if [ "$failed" -ne 0 ]; then
  echo "== what failed"
  cat "$broken"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
