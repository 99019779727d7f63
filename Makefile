# Needs make and Python >= 3.11; every target sets itself up (scripts/run) the first time.
.PHONY: help demo test lint bench test-slow golden clean

help:           ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo:           ## sample data, training, report and predictions of each task in demo/, without network
	@scripts/run nayan demo --out demo
	@scripts/run nayan demo --task detect --out demo/detect

test:           ## all that must always hold: imports, style, types, tests
	@scripts/run scripts/check

lint:           ## imports and style only
	@scripts/run scripts/lint

bench:          ## every figure of benchmarks/README.md; takes long
	@scripts/run scripts/bench

test-slow:      ## training to a bar, long fuzzing, fresh environments
	@scripts/run scripts/test-slow

golden:         ## make the golden values again: make golden MODEL=lenet
	@scripts/run scripts/golden "$(MODEL)"

clean:          ## remove caches and builds; runs, demo and .venv stay
	rm -rf build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
