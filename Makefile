# Two commands set everything up: `make quickstart` (install and train) and `make test` (install and test).
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# On Linux without an NVIDIA GPU, PyTorch's own CPU builds spare several gigabytes; where they cannot be reached, plain pip decides.
CPU_TORCH := https://download.pytorch.org/whl/cpu
# Files stay together, so that what their tests share is made once; a worker without tests takes some of the other's.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

.PHONY: help quickstart test test-long lint faults docs weights clean
help:
	@echo "make quickstart   install into .venv, then train on tomato salad until the optimum (minutes)"
	@echo "make test         install into .venv, then lint, types and all tests (minutes)"
	@echo "make test-long    the long form of the tests too"
	@echo "make faults       the long fault-injection suite"
	@echo "make weights      make the embedded models again"
	@echo "make docs         API pages from the docstrings, into docs/"

quickstart: .venv/.installed
	$(BIN)/twosome-train experiment=quickstart

test: .venv/.installed-dev lint
	$(PYTEST) -m "not slow"

test-long: .venv/.installed-dev
	$(PYTEST)

lint: .venv/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy twosome
	$(BIN)/mypy envs

faults: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults

weights: .venv/.installed
	$(BIN)/python -m twosome.tiny.train --out twosome/tiny/weights
	$(BIN)/python -m twosome.tiny.prior --write
	$(BIN)/python -m twosome.tiny.train --reads --steps 4400 --stop 1600 --out build/reader_1
	$(BIN)/python -m twosome.tiny.train --reads --init build/reader_1 --begin 18000 --seed 1 --lr 1.2e-3 --choice 0.5 --steps 2400 --stop 1500 --out build/reader_2
	$(BIN)/python -m twosome.tiny.train --reads --init build/reader_2 --begin 26000 --seed 2 --lr 8e-4 --steps 1700 --stop 400 --out build/reader_3
	$(BIN)/python -m twosome.tiny.train --reads --init build/reader_3 --begin 60000 --seed 3 --lr 8e-4 --steps 1600 --stop 1200 --out build/reader_4
	$(BIN)/python -m twosome.tiny.train --reads --init build/reader_4 --begin 100000 --seed 4 --lr 5e-4 --steps 800 --out build/reader_5
	$(BIN)/python -m twosome.tiny.train --reads --init build/reader_5 --begin 120000 --seed 6 --lr 1.5e-3 --steps 3000 --out build/reader_6
	$(BIN)/python -m twosome.tiny.train --reads --init build/reader_6 --begin 240000 --seed 7 --lr 1e-3 --steps 2000 --out build/reader_7
	$(BIN)/python -m twosome.tiny.train --reads --init build/reader_7 --begin 320000 --seed 8 --lr 1e-3 --steps 1600 --out build/reader_8
	$(BIN)/python -m twosome.tiny.train --reads --init build/reader_8 --begin 400000 --seed 9 --lr 1e-3 --steps 1800 --out build/reader_9
	$(BIN)/python -m twosome.tiny.train --reads --init build/reader_9 --begin 500000 --seed 10 --lr 1e-3 --steps 1500 --out build/reader_10
	$(BIN)/python -m twosome.tiny.train --reads --init build/reader_10 --begin 600000 --seed 11 --lr 1e-3 --steps 2000 --out twosome/tiny/weights_reader
	$(BIN)/python -m twosome.tiny.reading --model twosome/tiny/weights_reader --write

docs: .venv/.installed-dev
	$(BIN)/python -c "import pdoc, pathlib, twosome; all(map(twosome.__getattr__, twosome.__all__)); pdoc.pdoc('twosome', 'twosome_envs', output_directory=pathlib.Path('docs'))"

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.torch: constraints.txt | .venv/bin/python
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1; then \
		$(PIP) install -q --no-deps --retries 0 --timeout 10 --index-url $(CPU_TORCH) -c constraints.txt torch 2>/dev/null || true; fi
	$(PIP) install -q -c constraints.txt torch
	@touch $@

.venv/.installed: pyproject.toml .venv/.torch
	$(PIP) install -q -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: pyproject.toml .venv/.torch
	$(PIP) install -q -c constraints.txt -e ".[dev]"
	$(PIP) install -q --no-deps virtualhome==2.3.0
	@touch $@ .venv/.installed

clean:
	rm -rf .venv build dist *.egg-info outputs multirun
