# Run `make` or `make help` for the list of commands.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS   := -s -w -X main.version=$(VERSION)
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

# Extra flags for go test, for example TESTFLAGS=-v.
TESTFLAGS  ?=
FUZZTIME   ?= 10s
BENCH      ?= .
BENCHCOUNT ?= 6
BENCHPKGS  ?= ./...

BUF  := .build/bin/buf
LINT := .build/bin/golangci-lint

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the binary into .build/grader
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o .build/grader ./cmd/grader

.PHONY: test
test: ## Run all tests
	go test $(TESTFLAGS) ./...

.PHONY: race
race: ## Run all tests under the race detector, in random order (needs a C compiler)
	CGO_ENABLED=1 go test -race -shuffle=on $(TESTFLAGS) ./...

.PHONY: browser
browser: ## Use the pages in a real browser; its pictures land in .build/browser (needs chromium)
	go test -tags browser -run '^TestBrowser' -count 1 $(TESTFLAGS) ./internal/server ./internal/report

.PHONY: lint
lint: $(LINT) $(BUF) .proto-deps ## Lint Go and the API contract
	$(LINT) run
	$(BUF) lint
	$(BUF) format --diff --exit-code proto
	@! grep -rn --include='*.go' '//nolint' . || { echo 'make: no //nolint: put exceptions into .golangci.yml, with a reason' >&2; exit 1; }

.PHONY: generate
generate: $(BUF) .proto-deps ## Generate Go and OpenAPI from proto/ into gen/
	rm -rf .build/generated
	$(BUF) generate -o .build/generated
	rm -rf gen && mv .build/generated/gen gen

.PHONY: verify
verify: $(BUF) .proto-deps ## Check that gen/ and go.mod are up to date
	rm -rf .build/generated
	$(BUF) generate -o .build/generated
	diff -r .build/generated/gen gen || { echo 'make: gen/ is out of date: run make generate' >&2; exit 1; }
	go mod tidy -diff

.PHONY: breaking
breaking: $(BUF) .proto-deps ## Compare the API contract with the last tag
	@tag=$$(git describe --tags --abbrev=0 2>/dev/null) || { echo 'breaking: no tag yet, so there is nothing to compare with'; exit 0; }; \
	rm -rf .build/base && mkdir -p .build/base; \
	git archive "$$tag" proto buf.yaml | tar -x -C .build/base; \
	cp -r .proto-deps .build/base/.proto-deps; \
	$(BUF) breaking proto --against .build/base/proto && echo "breaking: compatible with $$tag"

# The time that is over while an input is being shortened is reported as a failure at times ("context deadline exceeded",
# with no input): once more, then.
.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s) each
	@mkdir -p .build; \
	targets=$$(grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's/^(.*)\/[^/]*:[0-9]+:func (.*)$$/\1 \2/' | sort); \
	test -n "$$targets" || { echo 'make: found no fuzz target' >&2; exit 1; }; \
	while read -r dir name; do \
		echo "fuzz $$dir $$name"; \
		run() { go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$dir" 2>&1 | tee .build/fuzz.log; }; \
		run || { grep -qx ' *context deadline exceeded' .build/fuzz.log && run; } || exit 1; \
	done <<< "$$targets"

.PHONY: bench
bench: ## Run the benchmarks and keep the output for benchstat in .build/bench.txt
	@mkdir -p .build
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) $(BENCHPKGS) | tee .build/bench.txt

.PHONY: load
load: build ## Measure the server against a bare echo server, as a Markdown table
	go run ./internal/server/loadtest -grader .build/grader

.PHONY: soak
soak: ## Attack and wear the server for some minutes: crowds, outages, 100,000 requests
	go test -count 1 -timeout 30m -tags soak -v -run 'Malformed|Crowd|DrainUnderLoad' ./internal/server
	go test -count 1 -timeout 30m -tags soak -v -run 'JudgeOutage' ./internal/app
	go test -count 1 -timeout 30m -tags soak -v -run 'MemoryIsFlat' ./cmd/grader

.PHONY: rubrics
rubrics: ## Lint the banks and run their cases
	go run ./cmd/grader rubric lint
	go run ./cmd/grader rubric test

.PHONY: release
release: ## Build static binaries and their checksums into dist/
	rm -rf dist && mkdir dist
	@for platform in $(PLATFORMS); do \
		os=$${platform%/*} arch=$${platform#*/} ext=; \
		if [ "$$os" = windows ]; then ext=.exe; fi; \
		out=dist/grader_$(VERSION)_$${os}_$$arch$$ext; \
		echo "$$out"; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -ldflags '$(LDFLAGS)' -o "$$out" ./cmd/grader || exit 1; \
	done
	cd dist && { sha256sum grader_* 2>/dev/null || shasum -a 256 grader_*; } > SHA256SUMS

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf .build .proto-deps dist

# The linters and buf have a module of their own, so that their requirements do
# not decide which versions the product is built with.
$(BUF): tools/go.mod tools/go.sum
	cd tools && go build -o ../$@ github.com/bufbuild/buf/cmd/buf

$(LINT): tools/go.mod tools/go.sum
	cd tools && go build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# The third-party protos, printed from the Go packages that go.mod pins.
.proto-deps: go.mod internal/protodeps/main.go
	go run ./internal/protodeps $@
