#!/usr/bin/env bash
# Fuzzes every target (or those of TARGETS) for SECONDS_EACH (3,600) seconds on JOBS (2) cores. What breaks something is kept in
# tests/fixtures/fuzz, where `make test` tries it from then on.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
host=$(rustc -vV | sed -n 's/^host: //p')
targets=${TARGETS:-geojson geopackage shapefile tables binaries queries codes tile_paths maps callers}
export CARGO_TARGET_DIR=$root/target/fuzz

# The counters that libFuzzer steers by. With --target they stay out of build scripts.
counters="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
counters="$counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
RUSTFLAGS="--cfg fuzzing $counters" cargo build --release --manifest-path tests/fuzz/Cargo.toml --target "$host"
program=$CARGO_TARGET_DIR/$host/release/fuzz

one() {
    local target=$1 corpus=$CARGO_TARGET_DIR/corpus/$1 found=$root/tests/fixtures/fuzz/$1 log=$CARGO_TARGET_DIR/$1.log
    mkdir -p "$corpus" "$found"
    case $target in
    geojson) cp tests/fixtures/import/city/*.geojson "$corpus" ;;
    geopackage) cp tests/fixtures/import/city/*.gpkg "$corpus" ;;
    shapefile) cp tests/fixtures/import/city/*.zip "$corpus" ;;
    tables) cp tests/fixtures/import/city/*.csv tests/fixtures/import/city/*.xlsx "$corpus" ;;
    binaries) cp tests/fixtures/import/city/*.fgb tests/fixtures/import/city/*.pbf "$corpus" ;;
    queries) i=0; sed -nE 's#^ +"(.*)",?$#\1#p' tests/it/fuzz.rs | grep -E 'api/v1|ogc/' | while read -r line; do
        i=$((i + 1)); printf '%b' "${line//\\\"/\"}" > "$corpus/seed-$i"; done ;;
    codes) printf 330902001001001 > "$corpus/code"; printf N51H4406162215471571 > "$corpus/beidou"; printf epsg:4549 > "$corpus/epsg" ;;
    maps) cp tests/fixtures/maps/* "$corpus" ;;
    callers) printf 'cookie: wangge=wgs_0\nauthorization: Bearer %s' "$(sed -nE 's/^pub\(crate\) const SIGNED: &str = "(.*)";/\1/p' tests/fuzz/targets.rs)" > "$corpus/bearer" ;;
    tile_paths) printf 'grids,labels/14/13747/6741?epoch=2' > "$corpus/tile" ;;
    esac
    # A finding ends the program; it is told below.
    TARGET=$target "$program" "$corpus" -max_total_time="${SECONDS_EACH:-3600}" -timeout=25 -rss_limit_mb=3000 \
        -max_len=200000 -artifact_prefix="$found/" -print_final_stats=1 > "$log" 2>&1 || true
    local breaking
    breaking=$(find "$found" -newer "$program" -type f | wc -l)
    rmdir --ignore-fail-on-non-empty "$found"
    echo "$target: $(sed -nE 's/^stat::number_of_executed_units: +//p' "$log") inputs, $(grep -oE 'cov: [0-9]+' "$log" | tail -1), $breaking found"
    # One that did not even start says so in its log.
    [ "$breaking" -eq 0 ] && grep -q number_of_executed_units "$log" || { tail -20 "$log"; return 1; }
}
export -f one
export root program CARGO_TARGET_DIR
echo "$targets" | tr ' ' '\n' | xargs -P "${JOBS:-2}" -I{} bash -c 'one {}'
