# The few words a developer needs. What they do is in scripts/, one file each.

.PHONY: demo check test test-full fuzz soak bench lint fmt setup

demo: ## Back up a database, restore it, and compare both
	@scripts/demo.sh

check: ## Formatting, lints, unit tests and the house rules: under a minute, and no server
	@scripts/check.sh

test: ## Everything that must hold: formatting, lints, all tests against real servers
	@scripts/test.sh

test-full: ## The same, with ten million rows, rows of 100 MB and 20,000 tables
	@scripts/test.sh --include-ignored

fuzz: ## What reads strangers' bytes, against made-up ones (needs nightly Rust and cargo-fuzz)
	@scripts/fuzz.sh $(ARGS)

soak: ## Backups and restores through a network that fails at random; ARGS="--rounds 500 --seed N"
	@scripts/soak.sh $(ARGS)

bench: ## The figures in docs/performance.md
	@scripts/bench.sh $(ARGS)

lint: ## Formatting, lints, the fuzzer's build, and the dependencies' licences and advisories
	@scripts/lint.sh

fmt: ## Format the sources
	@cargo fmt

setup: ## Install what the tests need (done by `make test` as well)
	@scripts/setup.sh
	@scripts/servers.sh
