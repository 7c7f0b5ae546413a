# Everything from a machine with git, make and Python 3.11: `make test`, `make demo`.
PYTHON ?= python3
VENV := .venv
INTEROP := .venv-interop
RUN := $(VENV)/bin/
UV_VERSION := 0.13.8

.PHONY: install test test-storage test-interop crash check format demo lite bench lock clean

# The stamp is newer than the lock exactly when the environment is what the lock says. Bytecode is
# compiled once: every actor process imports torch, timm and Ray, which takes 17 s from source, 7 s so.
install: $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	VIRTUAL_ENV=$(VENV) $(RUN)uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	VIRTUAL_ENV=$(VENV) $(RUN)uv pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# On one thread each, as they run side by side: threads that wait for each other cost more. Modules
# that start Ray keep it to their end, and those that may take longest begin (tests/conftest.py).
test: install
	OMP_NUM_THREADS=1 $(RUN)python -m pytest -m "not cluster" -n auto
	OMP_NUM_THREADS=1 $(RUN)python -m pytest -m cluster -n 2 --dist loadfile --no-loadscope-reorder

# Against the S3 server that VRP_S3_ENDPOINT names (see .ci/rgw), else moto.
test-storage: install
	$(RUN)python -m pytest $(addprefix tests/pipeline/storage/test_,faults.py files.py probe.py refusals.py) \
		$(addprefix tests/pipeline/inputs/test_,coco_sources.py parquet_sources.py sources.py) \
		tests/pipeline/output/test_unit.py tests/pipeline/embed/test_store.py

# The tools that open what `vrp export` writes, in an environment of their own: they want other
# versions of Pillow and pyarrow than the lock of the product.
test-interop: $(INTEROP)/installed
	OMP_NUM_THREADS=1 $(INTEROP)/bin/python -m pytest tests/interop

$(INTEROP)/installed: $(VENV)/installed requirements-interop.lock
	$(PYTHON) -m venv $(INTEROP)
	VIRTUAL_ENV=$(INTEROP) $(RUN)uv pip install --quiet --compile-bytecode --require-hashes -r requirements-interop.lock
	VIRTUAL_ENV=$(INTEROP) $(RUN)uv pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# Kills a labeling job's processes 50 times; `make crash SEED=7` repeats the draws of a seed.
crash: install
	$(RUN)python -m tests.crash $(if $(SEED),--seed $(SEED))

check: install
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)pyright --warnings

format: install
	$(RUN)ruff check --fix .
	$(RUN)ruff format .

demo: install
	$(RUN)python examples/demo.py

# Retrains `lite` from nothing, into out/lite/weights, from a folder of <category>/<id>.jpg with .png:
# `make lite PHOTOS=folder`, perhaps with CUTOUTS=folder (examples/collect_cutouts.py). Run again to
# go on after a stop. Hours on one core; with a GPU add `--device cuda --processes 12 --targets 32` to the first line.
lite: install
	$(RUN)vrp lite train out/lite --photos $(PHOTOS) $(if $(CUTOUTS),--cutouts $(CUTOUTS))
	$(RUN)vrp lite export out/lite out/lite/weights --photos $(PHOTOS) --commit "$$(git rev-parse HEAD)"

# On one thread each; some 20 minutes on two cores.
bench: install
	OMP_NUM_THREADS=1 $(RUN)python -m benchmarks

# Universal and hashed; names no index, so that it installs from any mirror.
lock:
	$(RUN)uv pip compile --quiet --universal --generate-hashes --no-header \
		--python-version 3.11 --group dev pyproject.toml -o requirements.lock
	$(RUN)uv pip compile --quiet --universal --generate-hashes --no-header \
		--python-version 3.11 --group dev --group interop pyproject.toml -o requirements-interop.lock

clean:
	rm -rf $(VENV) $(INTEROP) out
