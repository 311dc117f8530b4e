# make demo           the whole chain on real recordings: install, corpus, search, export, final evaluation
# make install        a virtual environment with all that the targets below need
# make test           lint, types and every test but those of the groups below
# make fast           the quick tests only
# make test-long      whole corpora and trainings, half a minute and more each
# make test-cluster   a search on two hosts over ssh, one of them killed; root, openssh-server and rsync
# make test-kills     searches whose drivers, workers, MLflow servers and databases are killed repeatedly
# make test-browser   the pages in a real browser; Debian's chromium and chromium-driver
# make bench          every speed with a goal beside its alternative; half an hour on an idle machine
# make bench-gpu      training steps on a GPU beside a plain loop; without a GPU it installs nothing and says so
# make lint           ruff and mypy
# make clean-demo     remove the demo's corpus and study

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := build/demo

export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport FSD_DEMO_DATA
unexport FSD_DEMO_STORE

.PHONY: demo test fast test-long test-cluster test-kills test-browser bench bench-gpu lint install clean-demo

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@echo "installing (torch alone is several GB; a few minutes)"
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.bench-installed: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[dev,bench]'
	@touch $@

bench: $(VENV)/.bench-installed
	$(BIN)/python -m tests.bench

# Look for a driver before anything is installed; the benchmark itself asks torch.
bench-gpu:
	@if test -e /dev/nvidiactl || test -e /dev/dxg; then \
	  $(MAKE) --no-print-directory install && $(BIN)/python -m tests.bench.gpu; \
	else echo "no GPU is visible here: nothing was measured"; fi

demo: install $(DEMO)/searched
	@$(BIN)/fsd-tuner evaluate $(DEMO)/study/detector --split dev
	@$(BIN)/fsd-tuner evaluate $(DEMO)/study/detector --split eval
	@$(BIN)/fsd-tuner report $(DEMO)/study
	@echo
	@echo "best configuration: $(DEMO)/study/best.yaml   (again: $(BIN)/fsd-tuner train $(DEMO)/study/best.yaml)"
	@echo "detector:           $(DEMO)/study/detector    (score: $(BIN)/fsd-tuner score $(DEMO)/study/detector FILE...)"
	@echo "the report:         $(DEMO)/study/report.html"
	@echo "compare the trials: $(BIN)/fsd-tuner ui $(DEMO)/study"

$(DEMO)/corpus/corpus.json: | install
	$(BIN)/fsd-tuner corpus make $(DEMO)/corpus

# A finished search sets the stamp; an interrupted one is resumed.
$(DEMO)/searched: | $(DEMO)/corpus/corpus.json
	$(BIN)/fsd-tuner search demo --out $(DEMO)/study --resume
	@touch $@

clean-demo:
	rm -rf $(DEMO)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations=10

fast: install
	$(BIN)/pytest -m "not slow and not long and not cluster and not kills and not browser"

test-cluster: install
	@test "$$(id -u)" = 0 || { echo "needs root: it makes network namespaces"; exit 1; }
	@{ test -x /usr/sbin/sshd && command -v rsync >/dev/null; } || { apt-get update -qq && apt-get install -qq --yes --no-install-recommends openssh-server rsync; }
	$(BIN)/pytest -m cluster

test-long: install
	$(BIN)/pytest -m long

test-kills: install
	$(BIN)/pytest -m kills

test-browser: install
	@{ command -v chromium && command -v chromedriver; } >/dev/null || { apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium chromium-driver; }
	$(BIN)/pytest -m browser
