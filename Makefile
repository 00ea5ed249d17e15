# `make help` lists what there is.
DATA ?= city.gpkg
LISTEN ?= 127.0.0.1:8080
PRESET ?= zhoushan
WANGGE = target/release/wangge

.PHONY: run test check demo bench peers crash fuzz shots viewer build help

run: build ## build everything, make the demo city if there is none or only one of yesterday, serve it at http://127.0.0.1:8080
	$(WANGGE) demo --renew --preset $(PRESET) --data $(DATA)
	$(WANGGE) serve --data $(DATA) --listen $(LISTEN)

test: ## install what the tests need (Debian packages, if absent and permitted) and run all of them
	bash tests/run.sh

check: ## the quick part: formatting, lints, unit tests, no browser
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo check --no-default-features
	cargo test

demo: build ## make the demo city anew: PRESET=small|zhoushan|yichang|prefecture, DATA=city.gpkg
	rm -f $(DATA) $(DATA)-wal $(DATA)-shm
	$(WANGGE) demo --preset $(PRESET) --data $(DATA)

viewer: web-viewer/dist/index.html ## build the viewer into web-viewer/dist

web-viewer/node_modules/.package-lock.json: web-viewer/package.json web-viewer/package-lock.json
	cd web-viewer && npm ci --no-audit --no-fund
	touch $@

web-viewer/dist/index.html: web-viewer/node_modules/.package-lock.json $(shell find web-viewer/src web-viewer/public styles -type f 2>/dev/null) $(wildcard web-viewer/*.ts web-viewer/*.html web-viewer/build/*)
	cd web-viewer && npm run build

build: viewer ## build the viewer and the server
	cargo build --release

bench: ## measure, with the twins beside us; write what changed into benches/README.md
	cargo bench --no-default-features --bench locate
	cargo bench --bench tiles
	cargo bench --bench store
	cargo bench --bench http
	cargo bench --bench scope

peers: build ## measure beside Martin, PostGIS, DuckDB (got from Debian, crates.io, PyPI): PRESET=prefecture, ROUNDS, SECONDS_EACH (about 15 minutes)
	WANGGE=$(WANGGE) PRESET=$(if $(filter zhoushan,$(PRESET)),prefecture,$(PRESET)) bash benches/peers/run.sh

crash: ## kill -9 the program 1,000 times in the middle of imports and 200 times while it writes: nothing it finished may be lost (about 15 minutes)
	cargo build --release
	KILLS=1000 WANGGE=$(WANGGE) cargo test --test it crash -- --nocapture

fuzz: ## look for input that breaks something: SECONDS_EACH (3600) for each target, JOBS (2) at a time; what is found is kept in tests/fixtures/fuzz
	bash tests/fuzz/run.sh

shots: build ## screenshots of the viewer from 1366×768 to 7680×2160, into web-viewer/.shots
	cd web-viewer && npm run shots

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | awk -F'|' '{ printf "  make %-8s %s\n", $$1, $$2 }'
