# make lab | make test        each sets itself up the first time, and starts at once after that
# make test-quick             the tests nearest to what you have changed, for a minute
# make test-device            all lectures on a stand-in for a GPU that is stricter than one
# make test-browser           the lectures in JupyterLab, the site's pages: build/screenshots shows them
# make lint                   ruff and mypy, as CI runs them
# make release OUT=...        for instructors: write the students' edition of the course
# make site                   for instructors: build the course as a website that needs no network
# make grade SUBMISSIONS=... OUT=...   for instructors: grade what was handed in
# make notebooks              for maintainers: run all notebooks and store their outputs
# make evidence               for maintainers: run lectures that changed with other seeds and budgets
# make bench | make bench-quick   measurements beside peers: an hour; three minutes, less sure
# make budget                 for maintainers: fail when a lecture is far slower or larger than planned
# make full-size              train on all images: an hour on two cores
# make gpu-check              for maintainers: try everything on a GPU, 8 minutes; the same goes on
# make gpu-wheels             for maintainers: collect what gpu-check needs where there is no network
# make matrix                 for maintainers: lectures 01-05 with the oldest and newest packages
# make lock                   for maintainers: write constraints.txt, the versions that are in .venv
# make everything             for maintainers: install what all tests of CI need
# make clean                  remove the environments (.venv, .venv-matrix, .venv-peers)
#
# PYTHON=python3.12 make test   chooses the Python that .venv is made with.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
INSTALL := $(PYTHON) course_utils/install.py
EXTRAS := browser cluster export nbgrader site
# The machine with a GPU that wheels are collected for.
GPU_PYTHON ?= 3.12
GPU_PLATFORMS ?= $(addsuffix _x86_64,manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014 manylinux1)

.DEFAULT_GOAL := help
.PHONY: help lab test test-quick test-browser test-device lint release site grade notebooks evidence bench bench-quick budget full-size \
  gpu-check gpu-wheels matrix lock everything clean

help:
	@sed -n 's/^# make /make /p' Makefile

lab: $(READY)
	$(BIN)/jupyter lab --notebook-dir=notebooks

test: $(READY)
	$(BIN)/python -m pytest

test-quick: $(READY)
	$(BIN)/python tests/quick.py

test-device: $(READY)
	PYTHONPATH="$(CURDIR)/tests/strict_device" COURSE_DEVICE=strict \
	  $(BIN)/python -m pytest --nbval-cell-timeout=1200 notebooks

test-browser: $(READY)
	@$(BIN)/python -c 'import playwright, axe_playwright_python, sphinx, myst_nb, mathjax' 2> /dev/null || \
	  $(INSTALL) browser site
	COURSE_TEST_BROWSER=all OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n0 -v tests/test_jupyterlab.py \
	  tests/instructor/site/test_site.py::test_screenshots_are_kept

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

release: $(READY)
	@test -n "$(OUT)" || { echo "Name a folder: make release OUT=students"; exit 2; }
	$(BIN)/python -m course_utils release --out "$(OUT)" $(if $(REPO),--repo "$(REPO)") \
	  $(if $(BRANCH),--branch "$(BRANCH)") $(if $(LECTURES),--lectures "$(LECTURES)")

site: $(READY)
	@$(BIN)/python -c 'import sphinx, myst_nb, sphinx_book_theme, mathjax' 2> /dev/null || \
	  $(INSTALL) site
	$(BIN)/python -m course_utils site $(if $(OUT),--out "$(OUT)") $(if $(REPO),--repo "$(REPO)") \
	  $(if $(BRANCH),--branch "$(BRANCH)")

grade: $(READY)
	@test -n "$(SUBMISSIONS)" -a -n "$(OUT)" || { \
	  echo "Name a folder or zip, and one for the results: make grade SUBMISSIONS=class.zip OUT=grades"; exit 2; }
	$(BIN)/python -m course_utils grade "$(SUBMISSIONS)" --out "$(OUT)" \
	  $(if $(ROSTER),--roster "$(ROSTER)") $(OPTIONS)

notebooks: $(READY)
	$(BIN)/python -m course_utils refresh

evidence: $(READY)
	$(BIN)/python -m course_utils evidence $(LECTURES)

# The peers are optional: without them, their rows are left out. cluster.py needs Dask.
bench: $(READY)
	@$(INSTALL) bench cluster || echo "No peers to compare with."
	@for script in knn.py throughput.py "throughput.py --accuracy" limits.py "limits.py --isa AVX2" training.py \
	  threads.py notebooks.py grading.py cluster.py; do \
	  echo "== $$script"; $(BIN)/python benchmarks/$$script || exit 1; done

bench-quick: $(READY)
	@for script in knn.py throughput.py; do \
	  echo "== $$script"; $(BIN)/python benchmarks/$$script --quick || exit 1; done
	@echo "== training.py"; $(BIN)/python benchmarks/training.py --rounds 3

budget: $(READY)
	$(BIN)/python benchmarks/notebooks.py --check

full-size: $(READY)
	$(BIN)/python benchmarks/full_size.py
	$(BIN)/python benchmarks/time_to_accuracy.py

# With WHEELS, PYTHON is one that has torch: only what it lacks is installed, without a network.
gpu-check: $(if $(WHEELS),,$(READY))
	$(if $(WHEELS),$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-index \
	  --find-links "$(WHEELS)" -r benchmarks/gpu_wheels.txt)
	PYTHONPATH="$(CURDIR):$$PYTHONPATH" $(if $(WHEELS),$(PYTHON),$(BIN)/python) benchmarks/gpu_check.py $(OPTIONS)

gpu-wheels:
	$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
	  --implementation cp --python-version $(GPU_PYTHON) $(addprefix --platform ,$(GPU_PLATFORMS)) \
	  --dest build/wheels -r benchmarks/gpu_wheels.txt
	@du -sh build/wheels

matrix: $(READY)
	$(BIN)/python benchmarks/matrix.py $(LECTURES)

clean:
	rm -rf .venv .venv-matrix .venv-peers

# uv takes for other systems, and for other Pythons from 3.10 on, what is nearest to .venv. Left out
# are the parts of a build of PyTorch: another machine needs another build.
lock: $(READY)
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+.*//' > .venv/tested.txt
	$$(command -v uv || echo $(BIN)/uv) pip compile --quiet --universal --python-version 3.10 \
	  --no-python-downloads --no-header --no-annotate $(EXTRAS:%=--extra %) \
	  requirements.txt pyproject.toml --output-file .venv/tested.txt
	{ echo '# Written by make lock: the versions of .venv, with which the tests have passed.'; \
	  grep -Ev '^(-e|cuda-|nvidia-|triton==)' .venv/tested.txt; } > constraints.txt
	@touch $(READY)

everything: $(READY)
	$(INSTALL) $(EXTRAS)

# The mark is written last: an interrupted set-up is done again, a finished one never.
$(READY): requirements.txt pyproject.toml constraints.txt
	@command -v $(PYTHON) > /dev/null || { \
	  echo "There is no $(PYTHON). Install Python 3.10 or newer, or name yours: make test PYTHON=..."; exit 1; }
	@$(INSTALL)
	@touch $@
