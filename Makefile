# `make run` starts the platform, `make test` tests it, `make` says what else there is.
PYTHON ?= python3
PORT ?= 4000
SIZE ?= small
WORKERS ?= 1
DATA ?= .data
SHARED ?= ../shared
ARGS ?=
PARALLEL ?= $(if $(findstring no:xdist,$(ARGS)),,-n auto --dist loadscope --no-loadscope-reorder)
SEED ?= 1
CUTS ?= 50
SECONDS ?= 600
OPERATIONS ?= 10000
BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help env run test test-libraries schemathesis check lint types contracts schema bench bench-pairs bench-guard bench-cache bench-cache-mix bench-cache-faults bench-subscriptions profile bench-planning bench-matching bench-sagas bench-inbox conformance fuzz oracle-peers crash-test booking-machine mutants autobahn chaos clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(READY): requirements.lock pyproject.toml scripts/environment.sh gateway/http/graphiql/package-lock.json gateway/http/graphiql/build.mjs $(wildcard gateway/http/graphiql/src/*)
	@PYTHON="$(PYTHON)" bash scripts/environment.sh

env: $(READY)  ## the environment alone, in .venv

run: $(READY)  ## the whole platform, with sample data: make run PORT=4000 SIZE=small WORKERS=1 DATA=.data ARGS="--in-process"
	@exec $(BIN)/mussikon run --port $(PORT) --size $(SIZE) --workers $(WORKERS) --data $(DATA) $(ARGS)

test: $(READY)  ## all tests, with real servers, on all cores; ARGS go to pytest: ARGS="-n0 -x tests/gateway"
	@SHARED="$(SHARED)" PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: lint types contracts  ## lint, types and import contracts

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/mypy

contracts: $(READY)
	@$(BIN)/lint-imports --no-logo

schema: $(READY)  ## print every SDL, the supergraph and the trusted documents into schema/
	@$(BIN)/mussikon schema
	@$(BIN)/gateway documents make schema/operations -o schema/documents.json

bench: $(READY)  ## the hot path beside a plan by hand and the peers: ARGS="--quick", MIX=1, PEER=name=url; writes docs/performance.md
	@SHARED="$(SHARED)" $(BIN)/python -m bench.run $(ARGS)

bench-pairs: $(READY)  ## the hot path beside another checkout's, interleaved: make bench-pairs BEFORE=DIR ARGS="--rounds 10"
	@SHARED="$(SHARED)" $(BIN)/python -m bench.pairs "$(BEFORE)" $(ARGS)

bench-guard: $(READY)  ## what tokens, rights, costs, rates and CORS cost on the hot path: ARGS="--rounds 10"; writes into docs/performance.md
	@SHARED="$(SHARED)" $(BIN)/python -m bench.guard $(ARGS)

bench-cache: $(READY)  ## what a request costs whose values are cached, in memory and in Redis: ARGS="--rounds 10"; writes into docs/performance.md
	@SHARED="$(SHARED)" $(BIN)/python -m bench.cached $(ARGS)

bench-cache-mix: $(READY)  ## a Zipf mix over 100,000 musicians, with and without a cache: ARGS="--quick"; writes into docs/performance.md
	@$(BIN)/python -m bench.zipf $(ARGS)

bench-cache-faults: $(READY)  ## invalidations, stampedes, and Redis that fails under load; writes into docs/performance.md
	@$(BIN)/python -m bench.coherence $(ARGS)

bench-subscriptions: $(READY)  ## 100,000 subscribers over WebSocket: memory, delay, CPU of a message; needs some minutes
	@$(BIN)/python -m bench.subscriptions $(ARGS)

profile: $(READY)  ## where the hot path's time goes, for the heavy and the light query
	@SHARED="$(SHARED)" $(BIN)/python -m bench.profile $(ARGS)

bench-planning: $(READY)  ## seconds and memory of planning the worst of cases
	@$(BIN)/python -m bench.planning $(ARGS)

bench-sagas: $(READY)  ## sagas per second beside DBOS, on the same services
	@$(BIN)/python -m bench.sagas.run $(ARGS)

bench-inbox: $(READY)  ## events per second through one inbox
	@$(BIN)/python -m bench.inbox $(ARGS)

bench-matching: $(READY)  ## p50 and p95 of matching against 100,000 musicians
	@$(BIN)/python -m bench.matching $(ARGS)

test-libraries: $(READY)  ## SDLs of the libraries that serve subgraphs, composed and served; says what the machine lacks
	@SHARED="$(SHARED)" LIBRARIES=all $(BIN)/python -m pytest -p no:xdist -rs tests/libraries $(ARGS)

schemathesis: $(READY)  ## random operations against the platform in production mode, longer than in the tests: make schemathesis SECONDS=600
	@SCHEMATHESIS_EXAMPLES=200 SCHEMATHESIS_SECONDS=$(SECONDS) $(BIN)/python -m pytest -p no:xdist -k random tests/system/test_outside_tools.py $(ARGS)

autobahn: $(READY)  ## every case of Autobahn's WebSocket tests against the frame layer; needs Python 2.7, takes minutes
	@$(BIN)/python -m tests.conformance.autobahn.report

chaos: $(READY)  ## subscriptions for ten minutes while clients, workers, Redis, subgraph and gateway are killed: make chaos ARGS="--seconds 600"
	@$(BIN)/python -m tests.chaos.run $(ARGS)

conformance: $(READY)  ## the suites of SHARED/conformance, and the subgraph requests beside the peers'; fails where they are absent
	@SHARED="$(SHARED)" $(BIN)/python -m tests.conformance.report

fuzz: $(READY)  ## random supergraphs and operations against the monolith they are cut from: make fuzz SEED=1 CUTS=50 OPERATIONS=10000
	@$(BIN)/python -m tests.fuzz.run --seed $(SEED) --cuts $(CUTS) --operations $(OPERATIONS) $(ARGS)

oracle-peers: $(READY)  ## the fuzz's cuts and operations in other people's gateways: ARGS="--seed 1 --cuts 20 --operations 400 --faults"
	@nice -n 10 $(BIN)/python -m tests.fuzz.peers_run $(ARGS)

crash-test: $(READY)  ## kill processes at every write of a saga, and at random: make crash-test ARGS="--every 1 --sagas 1000"
	@$(BIN)/python -m tests.crash.run $(ARGS)

booking-machine: $(READY)  ## users, time and failures at random over the booking services: make booking-machine ARGS="--runs 20 --steps 500"
	@$(BIN)/python -m tests.crash.life $(ARGS)

mutants: $(READY)  ## plant faults in the gateway, one at a time, and see whether the fuzz finds them
	@$(BIN)/python -m tests.fuzz.mutants $(ARGS)

clean:  ## remove the environment and the built page; the data folder stays
	@rm -rf .venv gateway/http/graphiql/dist gateway/http/graphiql/node_modules
