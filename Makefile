# `make` lists the targets. The local engines are brought up by
# server/devstack; with GRID_MONGO_URI and GRID_S3_URL set, those are used.

.ONESHELL:
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-print-directory

# HEIC is read by the decoder that is built in, never by a library of the system.
export GOFLAGS := $(GOFLAGS) -tags=nodynamic

CACHE      := $(or $(GRID_STACK_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gridwatch/stack)
LINT       := $(CACHE)/golangci-lint-v2.15.0
GOTESTSUM  := $(CACHE)/gotestsum-v1.13.0
PROCESSES  ?= 2
PACKAGES   ?= ./...

# Debian packages that tests need, each with a program or a file it brings.
DEBIAN := chromium:chromium nodejs:node npm:npm ffmpeg:ffmpeg bubblewrap:bwrap poppler-utils:pdftoppm poppler-data:/usr/share/poppler/cMap/Adobe-GB1 fonts-wqy-zenhei:/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc libimage-exiftool-perl:exiftool libheif-examples:heif-enc

# A folder with a lock file has its node_modules, as new as the lock.
LOCKS  := $(shell find . -name package-lock.json -not -path '*/node_modules/*' -not -path './.stack/*')
NODE   := $(LOCKS:package-lock.json=node_modules/.package-lock.json)

# A cold build takes minutes: say every 25 packages that it goes on.
BUILT   := awk '/^[^ \#]+$$/ { if (++n % 25 == 0) { print "      " n " packages built"; fflush() } next } { print; fflush() }'
ENGINES := if [ -z "$${GRID_MONGO_URI:-}" ]; then . .stack/env; fi
PUSH    := if [ -n "$${GRID_FCM_ENDPOINT:-}" ]; then export GRID_FCM=on GRID_FCM_PROJECT=demo; fi

run demo: export GRID_KEYRING    ?= .stack/keyring.json
run demo: export GRID_DEMO_DIR   ?= .stack/demo
run demo: export GRID_LISTEN     ?= 127.0.0.1:8080
run demo: export GRID_OPS_LISTEN ?= 127.0.0.1:8081
demo:     export FINE            ?= 10000

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: stack-up build ## start the engines, load the demo data, serve on GRID_LISTEN
	@$(ENGINES); $(PUSH)
	.stack/bin/server keys init "$$GRID_KEYRING"
	.stack/bin/server demo load
	exec .stack/bin/server serve

.PHONY: demo
demo: ## play one case from report to reward on the running server; FINE=10000 sets the fine in yuan
	@$(ENGINES); $(PUSH)
	.stack/bin/server demo play --fine "$$FINE"

.PHONY: test
test: stack-up tools $(GOTESTSUM) ## run all tests against the real engines, with the race detector
	@$(ENGINES)
	$(GOTESTSUM) --format pkgname-and-test-fails -- -race -shuffle=on -count=1 -timeout 30m -p $(PROCESSES) $(PACKAGES)

.PHONY: lint
lint: $(LINT) ## check the code: golangci-lint with .golangci.yml, go vet and formatting included
	$(LINT) run $(PACKAGES)

.PHONY: canary
canary: stack-up ## search all that is kept and said for what must not be there; PLANT=log plants a leak to find
	@$(ENGINES)
	go test -count=1 -v -run '^TestNothingLeaks$$' ./server/app -args -plant='$(PLANT)'

.PHONY: canary-plants
canary-plants: stack-up ## plant a leak of every kind and find each
	@$(ENGINES)
	go test -count=1 -v -run '^TestPlantedLeaksAreFound$$' ./server/app

.PHONY: bench
bench: stack-up tools ## run the benchmarks
	@$(ENGINES)
	{ grep -rl --include='*_test.go' '^func Benchmark' . || true; } | xargs -r -n 1 dirname | sort -u | \
	xargs -r go test -run '^$$' -bench . -benchmem -p 1

.PHONY: bench-media
bench-media: stack-up ## print memory and speed of uploads against the same bytes put straight into the object store
	@$(ENGINES)
	GRID_BENCH_MEDIA=1 go test ./server/app -run TestMediaUnderLoad -count=1 -v -timeout 30m

.PHONY: build
build: ## build the server into .stack/bin
	@echo "build the server"
	go build -v -o .stack/bin/server ./server 2>&1 | $(BUILT)

.PHONY: stack-up
stack-up: ## start the local engines, getting what is missing
	@echo "build devstack"
	go build -v -o .stack/bin/devstack ./server/devstack 2>&1 | $(BUILT)
	.stack/bin/devstack up

.PHONY: stack-down
stack-down: ## stop the local engines of this checkout; their data stays
	@go build -o .stack/bin/devstack ./server/devstack
	.stack/bin/devstack down

.PHONY: clean
clean: stack-down ## stop the local engines and delete their data
	@rm -rf .stack

.PHONY: tools
tools: debian $(NODE) ## install what tests need besides the engines: Debian packages, npm packages

.PHONY: debian
debian:
	@missing=""
	for each in $(DEBIAN); do [ -e "$${each#*:}" ] || command -v "$${each#*:}" >/dev/null || missing+=" $${each%:*}"; done
	if [ -n "$$missing" ]; then
		echo "install$$missing"
		apt-get -qq update
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=300 $$missing >/dev/null
	fi

$(NODE): %/node_modules/.package-lock.json: %/package-lock.json | debian
	@echo "install npm packages of $*"
	npm ci --prefix $* --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

$(LINT):
	@echo "install $(@F), some minutes the first time"
	GOBIN=$@.new go install -v github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 2>&1 | $(BUILT)
	mv $@.new/golangci-lint $@ && rmdir $@.new

$(GOTESTSUM):
	@echo "install $(@F)"
	GOBIN=$@.new go install gotest.tools/gotestsum@v1.13.0
	mv $@.new/gotestsum $@ && rmdir $@.new
